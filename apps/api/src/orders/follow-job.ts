import { FleetError, isId, isTerminal, joinSignals } from '@comfy-fleet/contracts';
import { compareEventIds, type JobSnapshot, type JobStreamItem, type Preview, type Progress } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import { jobNotFound, owns } from '../files/ownership.js';
import { linksOf, openUntil } from '../server/key-limits.js';
import type { ApiRequest, Reply } from '../server/messages.js';
import { streamed, withHeartbeat } from '../server/server-sent-events.js';
import { isLong } from './long-jobs.js';

/** A job and its changes, for a streamed response. */
export interface FollowedJob {
  readonly first: JobSnapshot;
  /** Whom it counts against. */
  readonly key: string;
  /** The items after the first snapshot; see jobStream. */
  readonly items: AsyncIterable<JobStreamItem>;
  /** Aborts when the caller disconnects or the process is stopping. */
  readonly ending: AbortSignal;
}

/** Follows a job until the request ends. It counts as an open stream. Throws job_not_found, too_many_streams and overloaded. */
export async function followJob(deps: Deps, request: ApiRequest): Promise<FollowedJob> {
  const { ledger, stopping, streams, previews } = deps;
  const { signal, visitor: caller } = request;
  const { id = '' } = request.params;
  if (!isId(id)) throw jobNotFound();
  signal.throwIfAborted();
  if (caller !== undefined) openUntil(signal, streams, caller.id);
  // `end` is not needed, because the request's signal always aborts.
  const { signal: ending } = joinSignals([signal, stopping]);
  let wantsPreviews = false;
  const options = { signal: ending, wantsPreviews: () => wantsPreviews };
  const items = ledger.jobs.events(id, options)[Symbol.asyncIterator]();
  // Reading the body ends the iterator, but nothing reads it for a HEAD or a caller that disconnected early.
  signal.addEventListener('abort', () => void items.return?.());
  // Read before the response begins, so that an unknown job or an unavailable Redis still gets its status code.
  const first = (await items.next()).value as JobStreamItem | undefined;
  if (first?.kind !== 'snapshot' || !owns(caller, first.snapshot)) {
    void items.return?.();
    throw jobNotFound();
  }
  const { record } = first.snapshot;
  const key = caller?.id ?? linksOf(record.key);
  if (caller === undefined) openUntil(signal, streams, key);
  try {
    openUntil(signal, previews, key);
    wantsPreviews = true;
  } catch {
    // The key has enough streams with previews, which are large; this one gets everything else.
  }
  return { first: first.snapshot, key, items: { [Symbol.asyncIterator]: () => items }, ending };
}

/** How an API formats the changes of a job. */
interface EventFormat {
  /** The current job: called at the start and after each change of its status. */
  readonly state: (snapshot: JobSnapshot) => AsyncIterable<string> | Iterable<string>;
  readonly progress: (progress: Progress, eventId: string) => string;
  readonly preview: (preview: Preview) => string;
}

/** Tells an EventSource to wait this many ms before it reconnects. */
const RECONNECT = 'retry: 1000\n\n';

/** A response that streams events about a job. It ends after the event that reports the job's end. */
export function streamJob(deps: Deps, request: ApiRequest, followed: FollowedJob, format: EventFormat): Reply {
  return streamed(withHeartbeat(jobMessages(deps, request, followed, format), deps.heartbeatMs));
}

async function* jobMessages(
  deps: Deps,
  { log, signal }: ApiRequest,
  { first, key, items, ending }: FollowedJob,
  { state, progress, preview }: EventFormat,
): AsyncGenerator<string> {
  let newest = first;
  const whole = async function* (snapshot: JobSnapshot) {
    if (isLong(snapshot.record)) await deps.longJobs.turn(key, signal);
    yield* state(snapshot);
  };
  try {
    yield* whole(newest);
    for await (const item of items) {
      if (item.kind === 'preview') yield preview(item.preview);
      // The job that was sent last already includes earlier events.
      if (item.kind !== 'event' || compareEventIds(item.id, newest.lastEventId) <= 0) continue;
      if (item.event.type === 'progress') {
        yield progress(item.event.progress, item.id);
        continue;
      }
      newest = (await deps.ledger.jobs.get(first.record.id)) ?? newest;
      yield* whole(newest);
      if (isTerminal(newest.record.status)) return;
    }
  } catch (error) {
    // The client reconnects by itself. If this process is stopping, another one will answer.
    const isBusy = error instanceof FleetError && error.code === 'rate_limited';
    if (deps.stopping.aborted || isBusy) yield RECONNECT;
    else if (!ending.aborted) log.warn('an event stream failed', { job: first.record.id, error });
  }
}
