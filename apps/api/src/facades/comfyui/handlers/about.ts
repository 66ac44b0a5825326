import { type InstanceAnnouncement, isInService, type Memory } from '@comfy-fleet/contracts';
import type { Deps } from '../../../deps.js';
import type { Handler } from '../../../server/messages.js';
import { features } from '../present/features.js';

/** Of the ComfyUI whose API this is; clients refuse older ones. */
const COMFYUI_VERSION = '0.33.0';

/** As the instances report it: one device for each that is up, and the memory of one machine for each worker. */
export function systemStats({ fleet }: Deps): Handler {
  return async () => {
    const workers = (await fleet.current())?.workers ?? [];
    const up = workers.map(({ instances }) => instances.filter(isInService));
    const ram = (kind: keyof Memory) =>
      up.reduce((sum, instances) => sum + Math.max(0, ...instances.map(({ machine }) => machine?.ram[kind] ?? 0)), 0);
    return {
      status: 200,
      body: {
        system: {
          os: 'linux',
          ram_total: ram('total'),
          ram_free: ram('free'),
          comfyui_version: COMFYUI_VERSION,
          required_frontend_version: null,
          installed_templates_version: null,
          required_templates_version: null,
          python_version: '3.13',
          pytorch_version: '2',
          embedded_python: false,
          argv: ['main.py'],
        },
        devices: up.flat().map(presentDevice),
      },
    };
  };
}

/** Without the names of workers and instances, which are for operators. */
function presentDevice({ vram, machine }: InstanceAnnouncement, index: number) {
  const device = machine?.device;
  return {
    name: device?.name ?? 'unknown',
    type: device?.type ?? 'cuda',
    index,
    vram_total: vram,
    vram_free: device?.vram.free ?? 0,
    torch_vram_total: device?.torch.total ?? 0,
    torch_vram_free: device?.torch.free ?? 0,
  };
}

export function getFeatures({ config }: Deps): Handler {
  return () => ({ status: 200, body: features(config) });
}

/** Launchers such as StabilityMatrix take a ComfyUI for started when its editor's page answers. */
export const root: Handler = () => ({
  status: 200,
  headers: { 'Content-Type': 'text/plain; charset=utf-8' },
  body: "This is comfy-fleet's ComfyUI API. It has no editor; its paths are listed in docs/compatible-apis.md.\n",
});

/** What there is none of: embeddings, and extensions of a frontend. */
export const nothing: Handler = () => ({ status: 200, body: [] });

/** The memory of instances is the fleet's to manage. */
export const free: Handler = () => ({ status: 200 });
