import { adminStatusSchema, pauseQuerySchema } from '@comfy-fleet/contracts';
import type { AnswerDoc, OperationDoc, OperationDocs } from '../operation.js';

const STATUS: AnswerDoc = {
  description: 'Everything that is paused or drained.',
  content: { 'application/json': adminStatusSchema },
};
const DRAIN =
  'The instance gets no more prompts. Its running prompt finishes; jobs that wait behind it go to other instances. The ' +
  'drain survives restarts and lasts until you resume. When `GET /admin` shows `drained`, you can stop ComfyUI.';
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
      description:
        'With since when, and by which API key. For a page of the work queues open `/admin/queues` in a browser.',
    }),
    'POST /admin/pause': change('pause', 'Pause the fleet or a pool', {
      description:
        'New jobs are accepted and wait. Running prompts finish; jobs that wait behind them in a ComfyUI go back into ' +
        'the queue. A job whose `start_deadline` passes meanwhile expires.',
      ...paused,
    }),
    'POST /admin/resume': change('resume', 'Resume the fleet or a pool', {
      description: 'Ends the pause of the fleet, or of the named pool. Each has to be ended separately.',
      ...paused,
    }),
    'POST /admin/instances/:worker/:n/drain': change('drainInstance', 'Drain an instance', {
      description: DRAIN,
      ...drained,
    }),
    'POST /admin/instances/:worker/:n/resume': change('resumeInstance', 'Resume an instance', drained),
    'POST /admin/instances/:instance/drain': change('drainInstanceByName', 'Drain an instance, by name', {
      description: `${DRAIN} ${BY_NAME}`,
      ...drained,
    }),
    'POST /admin/instances/:instance/resume': change('resumeInstanceByName', 'Resume an instance, by name', {
      description: BY_NAME,
      ...drained,
    }),
  };
}
