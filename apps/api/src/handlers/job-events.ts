import { Readable } from 'node:stream';
import { isId, isTerminal, type Job, joinSignals } from '@comfy-fleet/contracts';
import { compareEventIds, isEventId, type JobSnapshot, type JobStreamItem } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { createOpenStreams } from '../access/open-streams.js';
import { jobNotFound, owns } from '../access/own-job.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { serverSentEvent, withHeartbeat } from '../http/server-sent-events.js';
import { presentSnapshot } from './present-snapshot.js';

type Present = (snapshot: JobSnapshot) => Promise<Job>;

/** Tells an EventSource after how many ms to come back. */
const RECONNECT = 'retry: 1000\n\n';

/**
 * A job as a stream of server-sent events: `status` with the whole job, at first and at every change of state;
 * `progress`; `preview` with a picture of the unfinished work in base64; `output` with its files; it ends after the
 * terminal `status`. Whoever comes back gets the job as it is then, in which everything missed is contained, and what
 * follows; whoever has the end already (Last-Event-ID) gets 204, which is how a browser's EventSource is told to stop.
 */
export function jobEvents(deps: Deps): Handler {
  const { ledger, stopping, heartbeatMs, instruments } = deps;
  const { maxStreams: most, maxStreamsOfKey: mostOfKey } = deps.config.http;
  const streams = createOpenStreams({ most, mostOfKey });
  return async (request) => {
    const { params, header, query, signal, caller } = request;
    const { id = '' } = params;
    if (!isId(id)) throw jobNotFound();
    signal.throwIfAborted();
    const stream = streams.open();
    instruments.streams.inc();
    signal.addEventListener('abort', () => {
      stream.close();
      instruments.streams.dec();
    });
    if (caller !== undefined) stream.of(caller.id);
    // Let go of at the end of the request, when its signal aborts.
    const { signal: ending } = joinSignals([signal, stopping]);
    const items = ledger.jobs.events(id, { signal: ending })[Symbol.asyncIterator]();
    // Whoever reads the body ends them, but a HEAD reads nothing, nor does a caller that left before the answer began.
    signal.addEventListener('abort', () => void items.return?.());
    // Taken before the answer begins, so that an unknown job or a missing Redis still has its status code.
    const first = (await items.next()).value as JobStreamItem | undefined;
    if (first?.kind !== 'snapshot' || !owns(caller, first.snapshot)) {
      void items.return?.();
      throw jobNotFound();
    }
    // Who comes by a link takes of what its job's key may have.
    if (caller === undefined) stream.of(first.snapshot.record.key);
    if (hasEnd(header('last-event-id'), first.snapshot)) return { status: 204 };
    // Who came by a link is given none that lives longer.
    const expires = caller === undefined ? Number(query.get('expires')) : undefined;
    const present = (snapshot: JobSnapshot) => presentSnapshot(deps, snapshot, caller, expires);
    const messages = jobMessages(
      deps,
      first.snapshot,
      present,
      { [Symbol.asyncIterator]: () => items },
      { ending, log: request.log },
    );
    return {
      status: 200,
      headers: { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' },
      body: Readable.from(withHeartbeat(messages, heartbeatMs)),
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
      // Nothing is sent that a job sent before contains already.
      if (item.kind === 'snapshot' || compareEventIds(item.id, newest.lastEventId) <= 0) continue;
      if (item.event.type === 'progress') {
        yield serverSentEvent('progress', item.event.progress, item.id);
        continue;
      }
      newest = (await deps.ledger.jobs.get(first.record.id)) ?? newest;
      yield* statusMessages(newest, present);
      if (isTerminal(newest.record.status)) return;
    }
  } catch (error) {
    // The caller comes back by itself, and then gets a proper answer: of another process if this one stops.
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
