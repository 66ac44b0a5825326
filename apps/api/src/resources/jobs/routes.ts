import {
  FleetError,
  isTerminal,
  type Job,
  type JobList,
  type JobListQuery,
  jobEventSchemas,
  jobListQuerySchema,
  jobListSchema,
  jobSchema,
} from '@comfy-fleet/contracts';
import { compareEventIds, isEventId, type JobFilter, type JobSnapshot, presentProgress } from '@comfy-fleet/jobs';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { jobNotFound, ownJob } from '../../files/ownership.js';
import { type ApiRoute, tagged, withQuery } from '../../openapi/route.js';
import { followJob, streamJob } from '../../orders/follow-job.js';
import { untilSent } from '../../orders/long-jobs.js';
import { presentSnapshot, waitForJob } from '../../orders/order-job.js';
import type { Caller } from '../../server/gate.js';
import { openUntil } from '../../server/key-limits.js';
import type { Handler, Reply } from '../../server/messages.js';
import { serverSentEvent } from '../../server/server-sent-events.js';
import { invalidAt } from '../../server/validator.js';

const JOBS = { name: 'jobs', description: 'Follow, list, cancel and delete jobs.' };

const DEFAULT_LIMIT = 20;
const METADATA = 'metadata.';

export function jobRoutes(deps: Deps): ApiRoute[] {
  const { config, derived, ledger } = deps;
  const { maxWaitSeconds } = config.http;
  const wait = Type.Integer({
    minimum: 1,
    maximum: maxWaitSeconds,
    description: 'How many seconds to wait for the end of the job before answering.',
  });
  return tagged(JOBS, {
    'GET /jobs': withQuery({
      access: 'jobs',
      id: 'listJobs',
      summary: 'List jobs, newest first',
      description:
        'With a filter, a page may be short or empty although there are more jobs. Continue with `next_cursor` as ' +
        '`cursor` while `has_more` is true.',
      query: jobListQuerySchema,
      answers: { 200: { description: 'A page of jobs.', json: jobListSchema } },
      handler: ({ caller, signal }, query) => {
        const sent = untilSent(signal);
        return deps.heavyReads(caller.id, () => listJobs(deps, query, caller), { signal, sent });
      },
    }),
    'GET /jobs/:id': withQuery({
      access: 'jobs',
      polled: true,
      id: 'getJob',
      summary: 'Read a job',
      query: Type.Object({ wait: Type.Optional(wait) }),
      answers: { 200: { description: 'The job as it is now.', json: jobSchema } },
      errors: ['overloaded', 'too_many_streams'],
      handler: async (request, { wait: seconds }) => {
        const { params, caller, signal } = request;
        const now = await ownJob(deps, params.id, caller);
        if (seconds === undefined || now.record.finishedAt !== null) {
          return { status: 200, body: await presentSnapshot(deps, now, caller) };
        }
        openUntil(signal, deps.streams, caller.id);
        const snapshot = (await waitForJob(deps, now.record.id, seconds, signal)) ?? now;
        deps.longJobs.note(now.record.id, snapshot.record);
        const present = async () => ({ status: 200, body: await presentSnapshot(deps, snapshot, caller) });
        return deps.longJobs.inTurn(request, present);
      },
    }),
    'DELETE /jobs/:id': {
      access: 'jobs',
      id: 'deleteJob',
      summary: 'Delete an ended job and its pictures',
      answers: { 204: { description: 'The job has been deleted.' } },
      errors: ['wrong_job_state', 'storage_failed'],
      // Deletes the record first, then the files in all formats. The key's usage is not reduced.
      handler: async ({ params: { id }, caller }) => {
        const { record } = await ownJob(deps, id, caller);
        if (!isTerminal(record.status) || !(await ledger.jobs.forget(record.id))) {
          const detail = `The job is ${record.status}; cancel it, and delete it when it has ended.`;
          throw new FleetError('wrong_job_state', detail);
        }
        // Housekeeping deletes the files that a crash leaves behind here.
        for (const { file } of record.outputs) await derived.deleteFrame(file);
        return { status: 204, job: record.id };
      },
    },
    'POST /jobs/:id/cancel': {
      access: 'jobs',
      id: 'cancelJob',
      summary: 'Cancel a job',
      description: 'A running job is `canceling` until it has been stopped. Canceling an ended job changes nothing.',
      answers: { 200: { description: 'The job after the cancel.', json: jobSchema } },
      handler: async ({ params: { id }, caller }) => {
        const { record } = await ownJob(deps, id, caller);
        const snapshot = await ledger.jobs.cancel(record.id);
        if (snapshot === undefined) throw jobNotFound();
        return { status: 200, body: await presentSnapshot(deps, snapshot, caller) };
      },
    },
    'GET /jobs/:id/events': {
      access: 'linked',
      id: 'followJob',
      summary: 'Follow a job as a stream of server-sent events',
      description: [
        'For an `EventSource`, or anything else that reads `text/event-stream`. The data of every event is JSON:',
        '- `status`: the whole job, at the start and whenever its status changes (there is no event if only',
        '  `waiting_for` changes); the stream ends after the last one.',
        '- `progress`: the progress, at most twice a second.',
        '- `preview`: the unfinished picture in base64.',
        '- `output`: the finished pictures.',
        '',
        'After a reconnect the first event has the whole current job, so that clients miss nothing.',
      ].join('\n'),
      headers: ['Last-Event-ID'],
      answers: {
        200: { description: 'The stream. A comment every 15 seconds keeps it alive.', events: jobEventSchemas },
        204: { description: 'The caller has already seen the end (Last-Event-ID) and should not reconnect.' },
      },
      errors: ['overloaded', 'too_many_streams'],
      handler: jobEvents(deps),
    },
  });
}

/** The caller's jobs, newest first. */
async function listJobs(deps: Deps, query: JobListQuery, caller: Caller): Promise<Reply> {
  const { limit = DEFAULT_LIMIT, cursor, waiting_for } = query;
  const present = (snapshot: JobSnapshot) => presentSnapshot(deps, snapshot, caller);
  // Shows a job as it was when it matched: by now it may wait for something else.
  const found = new Map<JobSnapshot, Job>();
  const accepts = async (snapshot: JobSnapshot) => {
    const job = await present(snapshot);
    if (job.waiting_for?.code !== waiting_for) return false;
    found.set(snapshot, job);
    return true;
  };
  const filter = { ...filterOf(query), ...(waiting_for === undefined ? {} : { accepts }) };
  const page = await deps.ledger.jobs.list(caller.id, { filter, cursor, limit });
  const body: JobList = {
    data: await Promise.all(page.jobs.map((snapshot) => found.get(snapshot) ?? present(snapshot))),
    has_more: page.next !== undefined,
    next_cursor: page.next ?? null,
  };
  return { status: 200, body };
}

function filterOf(query: JobListQuery): JobFilter {
  const { lod, kind, workflow, parent, waiting_for, created_after, created_before } = query;
  // Only queued jobs wait for something.
  const status = query.status ?? (waiting_for === undefined ? undefined : 'queued');
  const metadata = Object.entries(query as Record<string, string>)
    .filter(([name]) => name.startsWith(METADATA))
    .map(([name, value]) => [name.slice(METADATA.length), value] as const);
  return {
    status,
    lod,
    kind,
    workflow,
    parent,
    createdAfter: time('created_after', created_after),
    createdBefore: time('created_before', created_before),
    metadata: Object.fromEntries(metadata),
  };
}

/** Converts a time to ms since 1970. The schema also accepts leap seconds, which have none. */
function time(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isFinite(ms)) return ms;
  throw invalidAt(`/${name}`, 'must be a time like 2026-11-25T10:00:00Z');
}

/**
 * A client that reconnects gets the current job, which contains everything that it missed. A client that already has the last
 * event (Last-Event-ID) gets 204, which makes an EventSource stop reconnecting.
 */
function jobEvents(deps: Deps): Handler {
  return async (request) => {
    const { header, query, visitor: caller } = request;
    const followed = await followJob(deps, request);
    if (hasEnd(header('last-event-id'), followed.first)) return { status: 204 };
    // A caller with a signed link gets links that expire together with that link.
    const expires = caller === undefined ? Number(query.get('expires')) : undefined;
    return streamJob(deps, request, followed, {
      state: async function* (snapshot) {
        const job = await presentSnapshot(deps, snapshot, caller, expires);
        const { outputs, images } = job;
        if (outputs.length > 0) yield serverSentEvent('output', { outputs, images });
        yield serverSentEvent('status', job, snapshot.lastEventId);
      },
      progress: (progress, id) => serverSentEvent('progress', presentProgress(progress), id),
      preview: ({ contentType, data }) => serverSentEvent('preview', { content_type: contentType, data }),
    });
  };
}

function hasEnd(lastEventId: string | undefined, { record, lastEventId: newest }: JobSnapshot): boolean {
  if (lastEventId === undefined || !isEventId(lastEventId) || !isTerminal(record.status)) return false;
  return compareEventIds(lastEventId, newest) >= 0;
}
