import type { Deps } from '../../deps.js';
import type { Route } from '../../server/messages.js';
import { COMFYUI_PREFIX } from './dialect.js';
import { createEntries } from './entries/entries.js';
import { free, getFeatures, nothing, root, systemStats } from './handlers/about.js';
import { getHistory, getHistoryOf, postHistory } from './handlers/history.js';
import { interrupt } from './handlers/interrupt.js';
import { cancelPromptJob, cancelPromptJobs, getPromptJob, listPromptJobs } from './handlers/jobs.js';
import { modelFolders, modelsIn } from './handlers/models.js';
import { objectInfo, objectInfoOf } from './handlers/object-info.js';
import { getPrompt, getQueue, postQueue } from './handlers/queue.js';
import { uploadImage } from './handlers/upload-image.js';
import { uploadMask } from './handlers/upload-mask.js';
import { view } from './handlers/view.js';
import { postPrompt } from './prompts/post-prompt.js';
import { createSharedAnswers } from './shared-answers.js';

/** Clients ask for it several times a second. */
const POLLED = { access: 'jobs', polled: true } as const;

/** ComfyUI's own API. Every path is also there under `/comfyui/api`; see target.ts. */
export function comfyuiRoutes(deps: Deps): Route[] {
  const entries = createEntries(deps);
  const answers = createSharedAnswers(deps.heavyReads);
  const routes: Omit<Route, 'basic'>[] = [
    // What is polled stands in front.
    { method: 'GET', path: '/history/:id', ...POLLED, handler: getHistoryOf(deps, entries) },
    { method: 'GET', path: '/history', ...POLLED, handler: getHistory(deps, entries, answers) },
    { method: 'POST', path: '/history', access: 'jobs', handler: postHistory(deps), reads: 'loose' },
    { method: 'GET', path: '/queue', ...POLLED, handler: getQueue(deps, entries, answers) },
    { method: 'POST', path: '/queue', access: 'jobs', handler: postQueue(deps), reads: 'loose' },
    { method: 'GET', path: '/prompt', ...POLLED, handler: getPrompt(deps) },
    { method: 'POST', path: '/prompt', access: 'graphs', handler: postPrompt(deps), reads: 'loose' },
    { method: 'GET', path: '/view', access: 'jobs', handler: view(deps), converts: true },
    { method: 'POST', path: '/upload/image', access: 'jobs', handler: uploadImage(deps), reads: 'files' },
    { method: 'POST', path: '/upload/mask', access: 'jobs', handler: uploadMask(deps), reads: 'files' },
    { method: 'POST', path: '/interrupt', access: 'jobs', handler: interrupt(deps), reads: 'loose' },
    { method: 'POST', path: '/free', access: 'jobs', handler: free },
    { method: 'GET', path: '/object_info', access: 'jobs', handler: objectInfo(deps) },
    { method: 'GET', path: '/object_info/:name', access: 'jobs', handler: objectInfoOf(deps) },
    { method: 'GET', path: '/jobs', access: 'jobs', handler: listPromptJobs(deps, entries) },
    // Before the one with a parameter, which would take it for an id.
    { method: 'POST', path: '/jobs/cancel', access: 'jobs', handler: cancelPromptJobs(deps), reads: 'loose' },
    { method: 'GET', path: '/jobs/:id', ...POLLED, handler: getPromptJob(deps, entries) },
    { method: 'POST', path: '/jobs/:id/cancel', access: 'jobs', handler: cancelPromptJob(deps) },
    { method: 'GET', path: '/system_stats', access: 'jobs', handler: systemStats(deps) },
    { method: 'GET', path: '/', access: 'public', handler: root },
    { method: 'GET', path: '/features', access: 'jobs', handler: getFeatures(deps) },
    { method: 'GET', path: '/embeddings', access: 'jobs', handler: nothing },
    { method: 'GET', path: '/extensions', access: 'jobs', handler: nothing },
    { method: 'GET', path: '/models', access: 'jobs', handler: modelFolders() },
    { method: 'GET', path: '/models/:folder', access: 'jobs', handler: modelsIn(deps) },
  ];
  return routes.map((route) => ({ ...route, path: COMFYUI_PREFIX + route.path, basic: true }));
}
