import type { ServiceIndex } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import type { Handler } from '../../server/messages.js';

/** What there is, for whoever opens the bare address. */
export function index({ config }: Deps): Handler {
  const at = (path: string) => `${config.http.publicUrl ?? ''}${path}`;
  const body: ServiceIndex = {
    name: 'comfy-fleet',
    description: 'A durable job API in front of a fleet of ComfyUI GPUs',
    links: {
      generate: { method: 'POST', url: at('/generate') },
      img2img: { method: 'POST', url: at('/img2img') },
      batch: { method: 'POST', url: at('/jobs/batch') },
      jobs: { method: 'GET', url: at('/jobs') },
      job: { method: 'GET', url: at('/jobs/{id}') },
      events: { method: 'GET', url: at('/jobs/{id}/events') },
      cancel: { method: 'POST', url: at('/jobs/{id}/cancel') },
      retry: { method: 'POST', url: at('/jobs/{id}/retry') },
      refine: { method: 'POST', url: at('/jobs/{id}/refine') },
      delete: { method: 'DELETE', url: at('/jobs/{id}') },
      assets: { method: 'POST', url: at('/assets') },
      image: { method: 'GET', url: at('/images/{filename}') },
      workflows: { method: 'GET', url: at('/workflows') },
      workflow: { method: 'GET', url: at('/workflows/{name}') },
      publish: { method: 'PUT', url: at('/workflows/{name}') },
      me: { method: 'GET', url: at('/me') },
      usage: { method: 'GET', url: at('/usage') },
      keys: { method: 'GET', url: at('/keys') },
      lods: { method: 'GET', url: at('/lods') },
      fleet: { method: 'GET', url: at('/fleet') },
      timeline: { method: 'GET', url: at('/fleet/timeline') },
      history: { method: 'GET', url: at('/fleet/history') },
      alerts: { method: 'GET', url: at('/fleet/alerts') },
      health: { method: 'GET', url: at('/health') },
      admin: { method: 'GET', url: at('/admin') },
      queues: { method: 'GET', url: at('/admin/queues') },
      pause: { method: 'POST', url: at('/admin/pause') },
      resume: { method: 'POST', url: at('/admin/resume') },
      drain: { method: 'POST', url: at('/admin/instances/{worker}/{n}/drain') },
      openapi: { method: 'GET', url: at('/openapi.json') },
      docs: { method: 'GET', url: at('/docs') },
    },
  };
  const headers = { Vary: 'Accept' };
  // Relative, so that it leads there from below a prefix of a proxy, too.
  const studio = {
    status: 302,
    headers: { ...headers, Location: config.http.publicUrl === undefined ? 'studio/' : at('/studio/') },
  };
  const isBrowser = (accept = '') => accept.includes('text/html');
  return (request) =>
    config.http.studio && isBrowser(request.header('accept')) ? studio : { status: 200, headers, body };
}
