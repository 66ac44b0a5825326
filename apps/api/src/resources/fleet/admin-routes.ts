import { type AdminStatus, adminStatusSchema, FleetError, pauseQuerySchema } from '@comfy-fleet/contracts';
import type { FleetOverview, HaltTarget } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { type AnswerDoc, type ApiRoute, tagged, withQuery } from '../../openapi/route.js';
import type { ApiRequest, Handler, Reply } from '../../server/messages.js';
import { drainOf, presentHalt } from './fleet.js';

export const OPERATION = { name: 'operation', description: 'For operators of the service.' };

const STATUS: AnswerDoc = { description: 'Everything that is paused or drained.', json: adminStatusSchema };

/** How many names an error lists when the requested name is unknown. */
const MOST_NAMES = 20;

/** The routes that pause the fleet or a pool and drain an instance. Repeating a call changes nothing. */
export function adminRoutes(deps: Deps): ApiRoute[] {
  const common = { access: 'admin', answers: { 200: STATUS } } as const;
  const pausing = { ...common, query: pauseQuerySchema, errors: ['pool_not_found'] } as const;
  const draining = { ...common, errors: ['instance_not_found'] } as const;
  const change = changeHalt(deps);
  const poolOf = ({ pool }: { pool?: string }): HaltTarget =>
    pool === undefined ? { kind: 'fleet' } : { kind: 'pool', name: pool };
  /** The name of an instance is two segments of the path. */
  const changeInstance =
    (action: Action): Handler =>
    (request) => {
      const { worker, n } = request.params;
      return change(request, action, { kind: 'instance', name: `${worker}/${n}` });
    };
  return tagged(OPERATION, {
    'GET /admin': {
      ...common,
      id: 'getAdmin',
      summary: 'List what is paused and what is drained',
      description:
        'Says for each since when, and by which API key. Browsers can open `/admin/queues` to see the work queues.',
      handler: async () => ({ status: 200, body: adminStatus(await deps.ledger.fleet.overview()) }),
    },
    'POST /admin/pause': withQuery({
      ...pausing,
      id: 'pause',
      summary: 'Pause the fleet or a pool',
      description:
        'New jobs are accepted and wait. Running prompts finish; jobs that wait behind them in a ComfyUI go back into ' +
        'the queue. A job whose `start_deadline` passes meanwhile expires.',
      handler: (request, query) => change(request, 'pause', poolOf(query)),
    }),
    'POST /admin/resume': withQuery({
      ...pausing,
      id: 'resume',
      summary: 'Resume the fleet or a pool',
      description: 'Ends the pause of the fleet, or of the named pool. Each pause has to be ended separately.',
      handler: (request, query) => change(request, 'resume', poolOf(query)),
    }),
    'POST /admin/instances/:worker/:n/drain': {
      ...draining,
      id: 'drainInstance',
      summary: 'Drain an instance',
      description:
        'The instance gets no more prompts. Its running prompt finishes; jobs that wait behind it go to other instances. ' +
        'The drain survives restarts and lasts until you resume. When `GET /admin` shows `drained`, you can stop ComfyUI.',
      handler: changeInstance('drain'),
    },
    'POST /admin/instances/:worker/:n/resume': {
      ...draining,
      id: 'resumeInstance',
      summary: 'Resume an instance',
      handler: changeInstance('resume'),
    },
  });
}

type Action = 'drain' | 'pause' | 'resume';

/** Pauses, drains or resumes a target, and answers everything that is then paused or drained. Logs each call with its key. */
function changeHalt({ ledger: { fleet }, log }: Deps) {
  return async (request: ApiRequest, action: Action, target: HaltTarget): Promise<Reply> => {
    requireKnown(target, await fleet.overview());
    const { id: key } = request.caller;
    if (action === 'resume') await fleet.resume(target);
    else await fleet.halt(target, key);
    log.info('admin action', { action, ...target, key });
    return { status: 200, body: adminStatus(await fleet.overview()) };
  };
}

/** Throws `pool_not_found` or `instance_not_found` for an unknown name: pausing a misspelt name would have no effect. */
function requireKnown(target: HaltTarget, { pools, workers, halts }: FleetOverview): void {
  if (target.kind === 'fleet') return;
  if (target.kind === 'pool') {
    const names = new Set([...pools.map(({ pool }) => pool), ...halts.pools.keys()]);
    if (names.has(target.name)) return;
    throw new FleetError(
      'pool_not_found',
      `No worker serves this pool, and no job was sent to it. ${listNames(names)}`,
    );
  }
  const present = workers.flatMap(({ instances }) => instances.map(({ name }) => name));
  const names = new Set([...present, ...halts.instances.keys()]);
  if (names.has(target.name)) return;
  throw new FleetError('instance_not_found', `No running worker has this instance. ${listNames(names)}`);
}

function listNames(names: ReadonlySet<string>): string {
  if (names.size === 0) return 'There are none.';
  const shown = [...names].slice(0, MOST_NAMES).join(', ');
  return `There ${names.size === 1 ? 'is' : 'are'} ${shown}${names.size > MOST_NAMES ? ' and more' : ''}.`;
}

function adminStatus({ workers, halts }: FleetOverview): AdminStatus {
  const known = new Map(workers.flatMap(({ instances }) => instances.map((instance) => [instance.name, instance])));
  return {
    paused: halts.fleet === undefined ? null : presentHalt(halts.fleet),
    pools: byName(halts.pools).map(([name, halt]) => ({ name, ...presentHalt(halt) })),
    instances: byName(halts.instances).map(([name, halt]) => {
      const instance = known.get(name);
      const drain = instance && drainOf(instance, halts);
      return { name, ...(drain ?? { state: 'gone', ...presentHalt(halt) }) };
    }),
  };
}

function byName<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
