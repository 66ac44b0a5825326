import { adminStatusSchema, pauseQuerySchema } from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import type { AnswerDoc, ApiRoute } from '../../openapi/operation.js';
import type { Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/validator.js';
import { adminStatus, changeHalt } from './change-halt.js';

export const OPERATION = {
  name: 'operation',
  description: 'For operators of the service.',
};

const INSTANCE = { instance: Type.String({ description: 'The name of an instance, `<worker>/<n>`.' }) };
const WORKER_AND_NUMBER = {
  worker: Type.String({ description: 'The name of a worker.' }),
  n: Type.String({ description: 'The number of its instance, counted from 1.' }),
};
const STATUS: AnswerDoc = {
  description: 'Everything that is paused or drained.',
  content: { 'application/json': adminStatusSchema },
};
const DRAIN =
  'The instance gets no more prompts. Its running prompt finishes; jobs that wait behind it go to other instances. The ' +
  'drain survives restarts and lasts until you resume. When `GET /admin` shows `drained`, you can stop ComfyUI.';
const BY_NAME = 'Its name, `<worker>/<n>`, with the slash encoded; or see the address with two segments.';

/** The routes with which operators halt a part of the fleet. Each may be repeated: then nothing changes. */
export function adminRoutes(deps: Deps): ApiRoute[] {
  const common = { access: 'admin', tag: OPERATION, answers: { 200: STATUS } } as const;
  const changing = { ...common, method: 'POST' } as const;
  const paused = { query: pauseQuerySchema, errors: ['pool_not_found', 'queue_unavailable'] } as const;
  const drained = { errors: ['instance_not_found', 'queue_unavailable'] } as const;
  return [
    {
      ...common,
      method: 'GET',
      path: '/admin',
      id: 'getAdmin',
      summary: 'What is paused and what is drained',
      description:
        'With since when, and by which API key. For a page of the work queues open `/admin/queues` in a browser.',
      errors: ['queue_unavailable'],
      handler: getAdmin(deps),
    },
    {
      ...changing,
      ...paused,
      path: '/admin/pause',
      id: 'pause',
      summary: 'Pause the fleet or a pool',
      description:
        'New jobs are accepted and wait. Running prompts finish; jobs that wait behind them in a ComfyUI go back into ' +
        'the queue. A job whose `start_deadline` passes meanwhile expires.',
      handler: pauseFleet(deps, 'pause'),
    },
    {
      ...changing,
      ...paused,
      path: '/admin/resume',
      id: 'resume',
      summary: 'Resume the fleet or a pool',
      description: 'Ends the pause of the fleet, or of the named pool. Each has to be ended separately.',
      handler: pauseFleet(deps, 'resume'),
    },
    {
      ...changing,
      ...drained,
      path: '/admin/instances/:worker/:n/drain',
      params: WORKER_AND_NUMBER,
      id: 'drainInstance',
      summary: 'Drain an instance',
      description: DRAIN,
      handler: drainInstance(deps, 'drain'),
    },
    {
      ...changing,
      ...drained,
      path: '/admin/instances/:worker/:n/resume',
      params: WORKER_AND_NUMBER,
      id: 'resumeInstance',
      summary: 'Resume an instance',
      handler: drainInstance(deps, 'resume'),
    },
    {
      ...changing,
      ...drained,
      path: '/admin/instances/:instance/drain',
      params: INSTANCE,
      id: 'drainInstanceByName',
      summary: 'Drain an instance, by name',
      description: `${DRAIN} ${BY_NAME}`,
      handler: drainInstance(deps, 'drain'),
    },
    {
      ...changing,
      ...drained,
      path: '/admin/instances/:instance/resume',
      params: INSTANCE,
      id: 'resumeInstanceByName',
      summary: 'Resume an instance, by name',
      description: BY_NAME,
      handler: drainInstance(deps, 'resume'),
    },
  ];
}

/** What operators have halted, since when, and by which key. */
function getAdmin({ ledger: { fleet } }: Deps): Handler {
  return async () => ({ status: 200, body: adminStatus(await fleet.overview()) });
}

/** Has all workers claim nothing new, or go on: of one pool, or of the whole fleet. Jobs are accepted all the same. */
function pauseFleet(deps: Deps, action: 'pause' | 'resume'): Handler {
  const read = createQueryReader(pauseQuerySchema);
  return changeHalt(deps, action, ({ query }) => {
    const { pool } = read(query);
    return pool === undefined ? { kind: 'fleet' } : { kind: 'pool', name: pool };
  });
}

/**
 * Has one instance be given no more prompts, or take jobs again. Its name is `<worker>/<n>`: two segments of the path, or
 * one in which the slash is encoded.
 */
function drainInstance(deps: Deps, action: 'drain' | 'resume'): Handler {
  return changeHalt(deps, action, ({ params: { instance, worker, n } }) => ({
    kind: 'instance',
    name: instance ?? `${worker}/${n}`,
  }));
}
