import { type InstanceAnnouncement, isInService, type Memory } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import type { ApiRequest, Handler, Reply, Route } from '../../server/messages.js';
import { COMFYUI_PREFIX, comfyuiDialect } from './dialect.js';
import { uploadImage, view } from './files.js';
import { cancelPromptJob, cancelPromptJobs, getPromptJob, listPromptJobs } from './jobs.js';
import { modelFolders, modelsIn, objectInfo, objectInfoOf } from './nodes.js';
import { postPrompt } from './post-prompt.js';
import { type ComfyuiDeps, createPartsOf } from './prompts.js';
import { createPolledLists, getHistoryOf, getPrompt, interrupt, postHistory, postQueue } from './queue-and-history.js';
import { features, socketHub } from './socket/hub.js';
import { arrivingAtComfyui } from './target.js';

/** The version that clients see; they refuse older ones. */
const COMFYUI_VERSION = '0.33.0';

/** Clients ask for it several times a second. */
const POLLED = { access: 'jobs', polled: true } as const;

/** ComfyUI's own API. Every path is also there under `/comfyui/api`; see target.ts. */
export function comfyuiFacade(deps: Deps) {
  const own = { ...deps, partsOf: createPartsOf(deps) };
  const { getQueue, getHistory } = createPolledLists(own);
  const by =
    (answer: (deps: ComfyuiDeps, request: ApiRequest) => ReturnType<Handler>): Handler =>
    (request) =>
      answer(own, request);
  const routes: Route[] = [
    { method: 'POST', path: '/prompt', access: 'graphs', handler: by(postPrompt), reads: 'loose' },
    { method: 'GET', path: '/prompt', ...POLLED, handler: by(getPrompt) },
    { method: 'GET', path: '/queue', ...POLLED, handler: getQueue },
    { method: 'POST', path: '/queue', access: 'jobs', handler: by(postQueue), reads: 'loose' },
    { method: 'POST', path: '/interrupt', access: 'jobs', handler: by(interrupt), reads: 'loose' },
    { method: 'GET', path: '/history/:id', ...POLLED, handler: by(getHistoryOf) },
    { method: 'GET', path: '/history', ...POLLED, handler: getHistory },
    { method: 'POST', path: '/history', access: 'jobs', handler: by(postHistory), reads: 'loose' },
    { method: 'GET', path: '/jobs', access: 'jobs', handler: by(listPromptJobs) },
    // After `/jobs/:id`, Express would take `cancel` for an id.
    { method: 'POST', path: '/jobs/cancel', access: 'jobs', handler: by(cancelPromptJobs), reads: 'loose' },
    { method: 'GET', path: '/jobs/:id', ...POLLED, handler: by(getPromptJob) },
    { method: 'POST', path: '/jobs/:id/cancel', access: 'jobs', handler: by(cancelPromptJob) },
    { method: 'GET', path: '/view', access: 'jobs', handler: by(view) },
    { method: 'POST', path: '/upload/image', access: 'jobs', handler: by(uploadImage), reads: 'files' },
    { method: 'GET', path: '/object_info', access: 'jobs', handler: by(objectInfo) },
    { method: 'GET', path: '/object_info/:name', access: 'jobs', handler: by(objectInfoOf) },
    { method: 'GET', path: '/models', access: 'jobs', handler: modelFolders },
    { method: 'GET', path: '/models/:folder', access: 'jobs', handler: by(modelsIn) },
    { method: 'GET', path: '/embeddings', access: 'jobs', handler: () => ({ status: 200, body: [] }) },
    { method: 'GET', path: '/extensions', access: 'jobs', handler: () => ({ status: 200, body: [] }) },
    { method: 'GET', path: '/features', access: 'jobs', handler: () => ({ status: 200, body: features(deps.config) }) },
    { method: 'GET', path: '/system_stats', access: 'jobs', handler: by(systemStats) },
    // The fleet manages the memory of its instances itself.
    { method: 'POST', path: '/free', access: 'jobs', handler: () => ({ status: 200 }) },
    { method: 'GET', path: '/', access: 'public', handler: root },
  ];
  return {
    dialect: comfyuiDialect,
    routes: routes.map((route) => ({ ...route, path: COMFYUI_PREFIX + route.path, basic: true as const })),
    sockets: [{ path: `${COMFYUI_PREFIX}/ws`, access: 'jobs', basic: true, connect: socketHub(deps) } as const],
    arriving: arrivingAtComfyui,
  };
}

/** Launchers such as StabilityMatrix take a ComfyUI for started when the page of its editor answers. */
const root: Handler = () => ({
  status: 200,
  headers: { 'Content-Type': 'text/plain; charset=utf-8' },
  body: "This is comfy-fleet's ComfyUI API. It has no editor; its paths are listed in docs/compatible-apis.md.\n",
});

/** One device for each instance that is up, and the memory of one machine for each worker. */
async function systemStats({ fleet }: Deps): Promise<Reply> {
  const workers = (await fleet.current())?.workers ?? [];
  const up = workers.map(({ instances }) => instances.filter(isInService));
  const ram = (kind: keyof Memory) =>
    up.reduce((sum, instances) => sum + Math.max(0, ...instances.map(({ machine }) => machine?.ram[kind] ?? 0)), 0);
  const system = {
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
  };
  return { status: 200, body: { system, devices: up.flat().map(presentDevice) } };
}

/** Leaves out the names of workers and instances, which are for operators. */
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
