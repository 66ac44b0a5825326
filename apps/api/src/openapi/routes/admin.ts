import { adminStatusSchema, pauseQuerySchema } from '@comfy-fleet/contracts';
import type { AnswerDoc, OperationDoc, OperationDocs } from '../operation.js';

const STATUS: AnswerDoc = {
  description: 'Everything that is halted.',
  content: { 'application/json': adminStatusSchema },
};
const DRAIN =
  'It is given no more prompts: what it executes ends, what waits behind that in its queue goes back to the others, and ' +
  'so it stays, whatever restarts, until it is resumed. When `GET /admin` calls it `drained`, ComfyUI can be stopped.';
const BY_NAME = 'Its name, `<worker>/<n>`, with the slash encoded; or see the address with two segments.';

/** The routes with which operators halt a part of the fleet. Each may be repeated: then nothing changes. */
export function adminDocs(): OperationDocs {
  const change = (id: string, summary: string, more: Partial<OperationDoc>): OperationDoc => ({
    id,
    tag: 'operation',
    summary,
    answers: { 200: STATUS },
    errors: ['queue_unavailable'],
    ...more,
  });
  const paused = { query: pauseQuerySchema, errors: ['pool_not_found', 'queue_unavailable'] } as const;
  const drained = { errors: ['instance_not_found', 'queue_unavailable'] } as const;
  return {
    'GET /admin': change('getAdmin', 'What is paused and what is drained', {
      description: 'Since when, and by which API key. Page of the work queues: `/admin/queues`, in a browser.',
    }),
    'POST /admin/pause': change('pause', 'Have no job begin, of one pool or of any', {
      description:
        'Jobs are accepted and wait; those that execute end; what waits behind them in a ComfyUI goes back into the ' +
        'queue. A job whose `start_deadline` passes meanwhile expires.',
      ...paused,
    }),
    'POST /admin/resume': change('resume', 'Have jobs begin again', {
      description: 'Ends the pause of the fleet, or that of the pool named: each is ended by itself.',
      ...paused,
    }),
    'POST /admin/instances/:worker/:n/drain': change('drainInstance', 'Give an instance no more jobs', {
      description: DRAIN,
      ...drained,
    }),
    'POST /admin/instances/:worker/:n/resume': change('resumeInstance', 'Give an instance jobs again', drained),
    'POST /admin/instances/:instance/drain': change('drainInstanceByName', 'Give an instance no more jobs, by name', {
      description: `${DRAIN} ${BY_NAME}`,
      ...drained,
    }),
    'POST /admin/instances/:instance/resume': change('resumeInstanceByName', 'Give an instance jobs again, by name', {
      description: BY_NAME,
      ...drained,
    }),
  };
}
