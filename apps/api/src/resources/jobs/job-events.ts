import { Readable } from 'node:stream';
import { isTerminal, type Job } from '@comfy-fleet/contracts';
import { compareEventIds, isEventId, type JobSnapshot, type JobStreamItem, presentProgress } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Deps } from '../../deps.js';
import { followJob, presentSnapshot } from '../../orders/order-job.js';
import type { Handler } from '../../server/messages.js';
import { serverSentEvent, withHeartbeat } from '../../server/server-sent-events.js';

type Present = (snapshot: JobSnapshot) => Promise<Job>;

/** How many ms an EventSource waits before it reconnects. */
const RECONNECT = 'retry: 1000\n\n';

/**
 * A job as a stream of server-sent events: `status` with the whole job, at first and at every change of state;
 * `progress`; `preview` with a picture of the unfinished work in base64; `output` with its files. The stream ends after
 * the terminal `status`. A client that reconnects gets the current job, which contains everything that it missed. One that
 * already has the end (Last-Event-ID) gets 204, at which an EventSource stops reconnecting.
 */
export function jobEvents(deps: Deps): Handler {
  return async (request) => {
    const { header, query, caller } = request;
    const { first, items, ending } = await followJob(deps, request);
    if (hasEnd(header('last-event-id'), first)) return { status: 204 };
    // A caller with a signed link gets no links that are valid for longer than that one.
    const expires = caller === undefined ? Number(query.get('expires')) : undefined;
    const present = (snapshot: JobSnapshot) => presentSnapshot(deps, snapshot, caller, expires);
    const messages = jobMessages(deps, first, present, items, { ending, log: request.log });
    return {
      status: 200,
      headers: { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' },
      body: Readable.from(withHeartbeat(messages, deps.heartbeatMs)),
    };
  };
}

function hasEnd(lastEventId: string | undefined, { record, lastEventId: newest }: JobSnapshot): boolean {
  if (lastEventId === undefined || !isEventId(lastEventId) || !isTerminal(record.status)) return false;
  return compareEventIds(lastEventId, newest) >= 0;
}

async function* jobMessages(
  deps: Deps,
  first: JobSnapshot,
  present: Present,
  items: AsyncIterable<JobStreamItem>,
  { ending, log }: { readonly ending: AbortSignal; readonly log: Logger },
): AsyncGenerator<string> {
  let newest = first;
  try {
    yield* statusMessages(newest, present);
    for await (const item of items) {
      if (item.kind === 'preview') {
        const { contentType, data } = item.preview;
        yield serverSentEvent('preview', { content_type: contentType, data });
        continue;
      }
      // The job that was sent last already contains these events.
      if (item.kind === 'snapshot' || compareEventIds(item.id, newest.lastEventId) <= 0) continue;
      if (item.event.type === 'progress') {
        yield serverSentEvent('progress', presentProgress(item.event.progress), item.id);
        continue;
      }
      newest = (await deps.ledger.jobs.get(first.record.id)) ?? newest;
      yield* statusMessages(newest, present);
      if (isTerminal(newest.record.status)) return;
    }
  } catch (error) {
    // The client reconnects by itself and then gets a proper answer: from another process if this one stops.
    if (deps.stopping.aborted) yield RECONNECT;
    if (!ending.aborted) log.warn('an event stream broke off', { job: first.record.id, error });
  }
}

async function* statusMessages(snapshot: JobSnapshot, present: Present): AsyncGenerator<string> {
  const job = await present(snapshot);
  const { outputs, images } = job;
  if (outputs.length > 0) yield serverSentEvent('output', { outputs, images });
  yield serverSentEvent('status', job, snapshot.lastEventId);
}
