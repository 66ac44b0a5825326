import { freemem, totalmem } from 'node:os';
import type { Engine } from '../engine.js';
import { NODE_REPLACEMENTS } from '../node-replacements.js';
import type { Writable } from '../python.js';
import { features, type SimulatorSettings } from '../settings.js';
import { empty, json, type Reply, type Route, type RouteRequest } from './route.js';

const FOLDERS = {
  '0.3.64': `checkpoints configs loras vae text_encoders diffusion_models clip_vision style_models embeddings diffusers
    vae_approx controlnet gligen upscale_models custom_nodes hypernetworks photomaker classifiers model_patches
    audio_encoders`.split(/\s+/),
  '0.33.0': `checkpoints configs loras vae text_encoders diffusion_models clip_vision style_models embeddings diffusers
    vae_approx controlnet gligen upscale_models latent_upscale_models custom_nodes datasets hypernetworks photomaker
    classifiers model_patches audio_encoders background_removal frame_interpolation geometry_estimation optical_flow
    detection`.split(/\s+/),
};

function allObjectInfo(_request: RouteRequest, engine: Engine): Reply {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json; charset=utf-8' },
    body: { bytes: engine.catalogue.all() },
  };
}

function objectInfoOf({ params }: RouteRequest, engine: Engine): Reply {
  const name = params.name ?? '';
  const described = engine.catalogue.describe(name);
  return json(described === undefined ? {} : { [name]: described });
}

function getModels({ params }: RouteRequest, { catalogue, settings }: Engine): Reply {
  const folder = params.folder ?? '';
  if (!FOLDERS[settings.version].includes(folder)) return empty(404);
  return json(catalogue.modelsIn(folder));
}

export const infoRoutes: readonly Route[] = [
  { method: 'GET', path: '/system_stats', handle: (_request, engine) => json(systemStats(engine)) },
  { method: 'GET', path: '/features', handle: (_request, engine) => json(features(engine.settings.version)) },
  { method: 'GET', path: '/object_info', handle: allObjectInfo },
  { method: 'GET', path: '/object_info/:name', handle: objectInfoOf },
  { method: 'GET', path: '/node_replacements', handle: () => json(NODE_REPLACEMENTS), onlyIn033: true },
  { method: 'GET', path: '/embeddings', handle: () => json([]) },
  { method: 'GET', path: '/models', handle: (_request, engine) => json(FOLDERS[engine.settings.version]) },
  { method: 'GET', path: '/models/:folder', handle: getModels },
];

/** The answer to GET /system_stats, with sizes in bytes. While a prompt runs, a third of the memory is free. */
function systemStats({ settings, queue }: Engine): Writable {
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
      argv: ['main.py', '--listen', '127.0.0.1', '--preview-method', settings.previewMethod, ...cacheOptions(settings)],
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

function cacheOptions({ cacheLru, cacheModels }: SimulatorSettings): string[] {
  if (cacheModels > 0) return ['--cache-ram', '4', '4'];
  return cacheLru > 0 ? ['--cache-lru', `${cacheLru}`] : [];
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
