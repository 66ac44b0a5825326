import type { Deps } from './deps.js';
import { cancelJob } from './handlers/cancel-job.js';
import { fleet } from './handlers/fleet.js';
import { generate } from './handlers/generate.js';
import { getImage } from './handlers/get-image.js';
import { getJob } from './handlers/get-job.js';
import { health } from './handlers/health.js';
import { img2img } from './handlers/img2img.js';
import { index } from './handlers/index-page.js';
import { jobEvents } from './handlers/job-events.js';
import { lods } from './handlers/lods.js';
import { livez, readyz } from './handlers/probes.js';
import type { Route } from './http/messages.js';

export function routes(deps: Deps): Route[] {
  return [
    { method: 'GET', path: '/', handler: index(deps) },
    { method: 'POST', path: '/generate', handler: generate(deps), body: 'json' },
    { method: 'POST', path: '/img2img', handler: img2img(deps), body: 'picture' },
    { method: 'GET', path: '/jobs/:id', handler: getJob(deps) },
    { method: 'POST', path: '/jobs/:id/cancel', handler: cancelJob(deps) },
    { method: 'GET', path: '/jobs/:id/events', handler: jobEvents(deps) },
    { method: 'GET', path: '/images/:filename', handler: getImage(deps) },
    { method: 'GET', path: '/lods', handler: lods(deps) },
    { method: 'GET', path: '/fleet', handler: fleet(deps) },
    { method: 'GET', path: '/health', handler: health(deps) },
    { method: 'GET', path: '/livez', handler: livez, probe: true },
    { method: 'GET', path: '/readyz', handler: readyz(deps), probe: true },
  ];
}
