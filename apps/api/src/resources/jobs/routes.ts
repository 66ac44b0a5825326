import {
  FleetError,
  isTerminal,
  jobEventSchemas,
  jobListQuerySchema,
  jobListSchema,
  jobSchema,
} from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { jobNotFound, ownJob } from '../../files/ownership.js';
import type { ApiRoute } from '../../openapi/operation.js';
import { presentSnapshot, waitForJob } from '../../orders/order-job.js';
import type { Handler } from '../../server/messages.js';
import { jobEvents } from './job-events.js';
import { listJobs } from './list-jobs.js';

const JOBS = {
  name: 'jobs',
  description: 'Follow, list, cancel and delete jobs.',
};
export const JOB_ID = Type.String({ format: 'uuid', description: 'The id of the job.' });

export function jobRoutes(deps: Deps): ApiRoute[] {
  const { maxWaitSeconds } = deps.config.http;
  const wait = Type.Integer({
    minimum: 1,
    maximum: maxWaitSeconds,
    description: 'How many seconds to wait for the end of the job before answering.',
  });
  return [
    {
      method: 'GET',
      path: '/jobs',
      access: 'jobs',
      handler: listJobs(deps),
      id: 'listJobs',
      tag: JOBS,
      summary: 'List jobs, newest first',
      description:
        'With a filter, a page may be short or empty although there are more jobs. Continue with `next_cursor` as ' +
        '`cursor` while `has_more` is true.',
      query: jobListQuerySchema,
      answers: { 200: { description: 'A page of jobs.', content: { 'application/json': jobListSchema } } },
      errors: ['queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/jobs/:id',
      params: { id: JOB_ID },
      access: 'jobs',
      polled: true,
      handler: getJob(deps),
      id: 'getJob',
      tag: JOBS,
      summary: 'Read a job',
      query: Type.Object({ wait: Type.Optional(wait) }),
      answers: { 200: { description: 'The job as it is now.', content: { 'application/json': jobSchema } } },
      errors: ['job_not_found', 'queue_unavailable'],
    },
    {
      method: 'DELETE',
      path: '/jobs/:id',
      params: { id: JOB_ID },
      access: 'jobs',
      handler: deleteJob(deps),
      id: 'deleteJob',
      tag: JOBS,
      summary: 'Delete an ended job and its pictures',
      answers: { 204: { description: 'It has been deleted.' } },
      errors: ['job_not_found', 'wrong_job_state', 'queue_unavailable', 'storage_failed'],
    },
    {
      method: 'POST',
      path: '/jobs/:id/cancel',
      params: { id: JOB_ID },
      access: 'jobs',
      handler: cancelJob(deps),
      id: 'cancelJob',
      tag: JOBS,
      summary: 'Cancel a job',
      description: 'A running job is `canceling` until it has been stopped. Canceling an ended job changes nothing.',
      answers: {
        200: { description: 'The job after the cancel.', content: { 'application/json': jobSchema } },
      },
      errors: ['job_not_found', 'queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/jobs/:id/events',
      params: { id: JOB_ID },
      access: 'linked',
      handler: jobEvents(deps),
      id: 'followJob',
      tag: JOBS,
      summary: 'Follow a job as a stream of server-sent events',
      description: [
        'For an `EventSource`, or anything else that reads `text/event-stream`. The data of every event is JSON:',
        '- `status`: the whole job, at the start and whenever its status changes (there is no event if only',
        '  `waiting_for` changes); the stream ends after the last one.',
        '- `progress`: the progress, at most twice a second.',
        '- `preview`: the unfinished picture in base64.',
        '- `output`: the finished pictures.',
        '',
        'After a reconnect the first event is the whole current job, so nothing is missed.',
      ].join('\n'),
      headers: ['Last-Event-ID'],
      answers: {
        200: { description: 'The stream. A comment every 15 seconds keeps it alive.', events: jobEventSchemas },
        204: { description: 'The caller has already seen the end (Last-Event-ID) and should not reconnect.' },
      },
      errors: ['job_not_found', 'overloaded', 'queue_unavailable', 'too_many_streams'],
    },
  ];
}

/** Answers the job as the cancel left it; an ended one stays as it ended, however often this is asked. */
function cancelJob(deps: Deps): Handler {
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    const snapshot = await deps.ledger.jobs.cancel(record.id);
    if (snapshot === undefined) throw jobNotFound();
    return { status: 200, body: await presentSnapshot(deps, snapshot, caller) };
  };
}

/** Deletes an ended job: its record, and then its files in every form. Its use stays counted. */
function deleteJob(deps: Deps): Handler {
  const { ledger, derived } = deps;
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    if (!isTerminal(record.status) || !(await ledger.jobs.forget(record.id))) {
      throw new FleetError(
        'wrong_job_state',
        `The job is ${record.status}; cancel it, and delete it when it has ended.`,
      );
    }
    // What a crash leaves here grows old and goes with the housekeeping.
    for (const { file } of record.outputs) await derived.deleteFrame(file);
    return { status: 204, job: record.id };
  };
}

function getJob(deps: Deps): Handler {
  return async (request) => {
    const { query, caller } = request;
    const seconds = waitOfQuery(query, deps.config.http.maxWaitSeconds);
    const now = await ownJob(deps, request.params.id, caller);
    const ended = seconds === undefined || now.record.finishedAt !== null;
    const snapshot = ended ? now : ((await waitForJob(deps, now.record.id, seconds, request.signal)) ?? now);
    return { status: 200, body: await presentSnapshot(deps, snapshot, caller) };
  };
}

/** Seconds of `?wait=`; undefined when it is absent. Throws validation_failed for anything but 1 to `max`. */
function waitOfQuery(query: URLSearchParams, max: number): number | undefined {
  const values = query.getAll('wait');
  if (values.length === 0) return undefined;
  const seconds = values.length === 1 && /^\d{1,6}$/.test(values[0] ?? '') ? Number(values[0]) : 0;
  if (seconds >= 1 && seconds <= max) return seconds;
  const errors = [{ pointer: '/wait', detail: `must be a whole number of seconds from 1 to ${max}` }];
  throw new FleetError('validation_failed', 'The query has an invalid parameter.', { errors });
}
