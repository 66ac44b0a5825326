import type { Deps } from '../../../deps.js';
import type { Handler } from '../../../http/messages.js';
import { features } from '../present/features.js';

/** Of the ComfyUI whose API this is; clients refuse older ones. */
const COMFYUI_VERSION = '0.33.0';

/** One device for each instance that is there. Bytes; the memory that is free is not known, and all of it is said to be. */
export function systemStats({ fleet }: Deps): Handler {
  return async () => {
    const overview = await fleet.current();
    const instances = (overview?.workers ?? [])
      .flatMap((worker) => worker.instances)
      .filter(({ state }) => state === 'up');
    return {
      status: 200,
      body: {
        system: {
          os: 'linux',
          ram_total: 0,
          ram_free: 0,
          comfyui_version: COMFYUI_VERSION,
          required_frontend_version: null,
          installed_templates_version: null,
          required_templates_version: null,
          python_version: '3.13',
          pytorch_version: '2',
          embedded_python: false,
          argv: ['main.py'],
        },
        devices: instances.map(({ name, vram }, index) => ({
          name: `cuda:${index} ${name}`,
          type: 'cuda',
          index,
          vram_total: vram,
          vram_free: vram,
          torch_vram_total: vram,
          torch_vram_free: vram,
        })),
      },
    };
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
