import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';

/** What there is, for whoever opens the bare address. */
export function index({ config }: Deps): Handler {
  const at = (path: string) => `${config.http.publicUrl ?? ''}${path}`;
  const body = {
    name: 'comfy-fleet',
    description: 'A durable job API in front of a fleet of ComfyUI GPUs',
    links: {
      generate: { method: 'POST', url: at('/generate') },
      img2img: { method: 'POST', url: at('/img2img') },
      job: { method: 'GET', url: at('/jobs/{id}') },
      events: { method: 'GET', url: at('/jobs/{id}/events') },
      cancel: { method: 'POST', url: at('/jobs/{id}/cancel') },
      image: { method: 'GET', url: at('/images/{filename}') },
      lods: { method: 'GET', url: at('/lods') },
      fleet: { method: 'GET', url: at('/fleet') },
      health: { method: 'GET', url: at('/health') },
    },
  };
  return () => ({ status: 200, body });
}
