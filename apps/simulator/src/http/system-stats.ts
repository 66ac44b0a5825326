import { freemem, totalmem } from 'node:os';
import type { Engine } from '../engine.js';
import type { Writable } from '../json/write.js';

/** The answer of GET /system_stats. Bytes. While something runs, a third of the memory is free. */
export function systemStats({ settings, queue }: Engine): Writable {
  const isNew = settings.version === '0.33.0';
  return {
    system: {
      os: isNew ? 'linux' : 'posix',
      ram_total: totalmem(),
      ram_free: freemem(),
      comfyui_version: settings.version,
      required_frontend_version: isNew ? '1.49.6' : '1.27.10',
      installed_templates_version: null,
      required_templates_version: isNew ? '0.11.44' : '0.1.95',
      ...(isNew ? { comfy_package_versions: packageVersions() } : {}),
      python_version: '3.13.5 (main, Aug 10 2026, 12:06:59) [GCC 14.2.0]',
      pytorch_version: '2.6.0',
      embedded_python: false,
      ...(isNew ? { deploy_environment: 'local-git' } : {}),
      argv: ['main.py', '--listen', '127.0.0.1', '--preview-method', settings.previewMethod],
    },
    devices: Array.from({ length: settings.deviceCount }, (_, index) => {
      const isCpu = settings.deviceName === 'cpu';
      const free = queue.running === undefined ? settings.vramBytes : Math.round(settings.vramBytes * 0.35);
      return {
        name: isCpu ? 'cpu' : `cuda:${index} ${settings.deviceName} : cudaMallocAsync`,
        type: isCpu ? 'cpu' : 'cuda',
        index: isCpu ? null : index,
        vram_total: settings.vramBytes,
        vram_free: free,
        torch_vram_total: settings.vramBytes,
        torch_vram_free: free,
      };
    }),
  };
}

function packageVersions(): Writable {
  const required = {
    'comfyui-frontend-package': '1.49.6',
    'comfyui-workflow-templates': '0.11.44',
    'comfyui-embedded-docs': '0.5.10',
    'comfy-kitchen': '0.2.31',
    'comfy-aimdo': '0.4.13',
  };
  return Object.entries(required).map(([name, version]) => ({ name, installed: null, required: version }));
}
