import { type InstanceAnnouncement, isInService, type Memory } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { type ApiRequest, type Handler, type Reply, type RouteTable, routesOf } from '../../server/messages.js';
import { COMFYUI_PREFIX, comfyuiDialect } from './dialect.js';
import { uploadImage, view } from './files.js';
import { cancelPromptJob, cancelPromptJobs, getPromptJob, listPromptJobs } from './jobs.js';
import { modelFolders, modelsIn, objectInfo, objectInfoOf } from './nodes.js';
import { postPrompt } from './post-prompt.js';
import { type ComfyuiDeps, createPartsOf } from './prompts.js';
import { createPolledLists, getHistoryOf, getPrompt, interrupt, postHistory, postQueue } from './queue-and-history.js';
import { socketHub } from './socket/hub.js';
import { arrivingAtComfyui } from './target.js';

/** The ComfyUI version that we report. Clients refuse older versions. */
const COMFYUI_VERSION = '0.33.0';

/** Clients poll these routes several times a second. */
const POLLED = { access: 'jobs', polled: true } as const;

/** ComfyUI's own API. Every path also works under `/comfyui/api`; see target.ts. */
export function comfyuiFacade(deps: Deps) {
  const own = { ...deps, partsOf: createPartsOf(deps) };
  const { connect, endsSent } = socketHub(deps);
  const { getQueue, getHistory } = createPolledLists(own, endsSent);
  const by =
    (answer: (deps: ComfyuiDeps, request: ApiRequest) => ReturnType<Handler>): Handler =>
    (request) =>
      answer(own, request);
  const graphs = { access: 'graphs', reads: 'loose' } as const;
  const posted = { access: 'jobs', reads: 'loose' } as const;
  const seen = { access: 'jobs' } as const;
  const nothing = () => ({ status: 200, body: [] });
  const routes: RouteTable = {
    'POST /prompt': { ...graphs, handler: by(postPrompt) },
    'GET /prompt': { ...POLLED, handler: by(getPrompt) },
    'GET /queue': { ...POLLED, handler: getQueue },
    'POST /queue': { ...posted, handler: by(postQueue) },
    'POST /interrupt': { ...posted, handler: by(interrupt) },
    'GET /history/:id': { ...POLLED, handler: by(getHistoryOf) },
    'GET /history': { ...POLLED, ...getHistory },
    'POST /history': { ...posted, handler: by(postHistory) },
    'GET /jobs': { ...seen, handler: by(listPromptJobs) },
    // Must precede `/jobs/:id`, which would take `cancel` as an id.
    'POST /jobs/cancel': { ...posted, handler: by(cancelPromptJobs) },
    'GET /jobs/:id': { ...POLLED, handler: by(getPromptJob) },
    'POST /jobs/:id/cancel': { ...seen, handler: by(cancelPromptJob) },
    'GET /view': { ...seen, handler: by(view) },
    'POST /upload/image': { ...seen, reads: 'files', handler: by(uploadImage) },
    'GET /object_info': { ...seen, handler: by(objectInfo) },
    'GET /object_info/:name': { ...seen, handler: by(objectInfoOf) },
    'GET /models': { ...seen, handler: modelFolders },
    'GET /models/:folder': { ...seen, handler: by(modelsIn) },
    'GET /embeddings': { ...seen, handler: nothing },
    'GET /extensions': { ...seen, handler: nothing },
    'GET /features': {
      ...seen,
      handler: () => ({ status: 200, body: { max_upload_size: deps.config.assets.maxBytes } }),
    },
    'GET /system_stats': { ...seen, handler: by(systemStats) },
    // The fleet manages the memory of its instances itself.
    'POST /free': { ...seen, handler: () => ({ status: 200 }) },
    'GET /': { access: 'public', handler: root },
  };
  return {
    dialect: comfyuiDialect,
    routes: routesOf(routes, { basic: true } as const, COMFYUI_PREFIX),
    sockets: [{ path: `${COMFYUI_PREFIX}/ws`, access: 'jobs', basic: true, connect } as const],
    arriving: arrivingAtComfyui,
  };
}

/** Launchers such as StabilityMatrix consider a ComfyUI started when its root page answers. */
const root: Handler = () => ({
  status: 200,
  headers: { 'Content-Type': 'text/plain; charset=utf-8' },
  body: "This is comfy-fleet's ComfyUI API. It has no editor; its paths are listed in docs/compatible-apis.md.\n",
});

/** Lists each instance that is up as a device, and adds up the RAM of the workers' machines. */
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

/** Omits the names of workers and instances, which are for operators only. */
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
