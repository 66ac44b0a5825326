import { isId, isTerminal, joinSignals } from '@comfy-fleet/contracts';
import { compareEventIds, type JobSnapshot, type JobStreamItem, type Preview, type Progress } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import { jobNotFound, owns } from '../files/ownership.js';
import { openUntil } from '../server/key-limits.js';
import type { ApiRequest } from '../server/messages.js';

/** A job and its changes, for an answer that is a stream. */
export interface FollowedJob {
  readonly first: JobSnapshot;
  /** What follows the first snapshot; see jobStream. */
  readonly items: AsyncIterable<JobStreamItem>;
  /** Aborts when the caller goes away, or the process is to end. */
  readonly ending: AbortSignal;
}

/** Follows a job while the request lasts, as one of the open streams. Throws job_not_found, too_many_streams and overloaded. */
export async function followJob(deps: Deps, request: ApiRequest): Promise<FollowedJob> {
  const { ledger, stopping, streams } = deps;
  const { signal, visitor: caller } = request;
  const { id = '' } = request.params;
  if (!isId(id)) throw jobNotFound();
  signal.throwIfAborted();
  if (caller !== undefined) openUntil(signal, streams, caller.id);
  // Ends with the request, when its signal aborts.
  const { signal: ending } = joinSignals([signal, stopping]);
  const items = ledger.jobs.events(id, { signal: ending })[Symbol.asyncIterator]();
  // The reader of the body ends them, but a HEAD reads nothing, nor does a caller that left before the answer began.
  signal.addEventListener('abort', () => void items.return?.());
  // Read before the answer begins, so that an unknown job or a missing Redis still gets its status code.
  const first = (await items.next()).value as JobStreamItem | undefined;
  if (first?.kind !== 'snapshot' || !owns(caller, first.snapshot)) {
    void items.return?.();
    throw jobNotFound();
  }
  // A stream opened by a signed link counts for the key of its job.
  if (caller === undefined) openUntil(signal, streams, first.snapshot.record.key);
  return { first: first.snapshot, items: { [Symbol.asyncIterator]: () => items }, ending };
}

/** How an API words what happens to a job. */
interface Words {
  /** The job as it is now: at first, and whenever its status changes. */
  readonly state: (snapshot: JobSnapshot) => AsyncIterable<string> | Iterable<string>;
  readonly progress: (progress: Progress, eventId: string) => string;
  readonly preview: (preview: Preview) => string;
}

/** How many ms an EventSource waits before it reconnects. */
const RECONNECT = 'retry: 1000\n\n';

/** Server-sent events about a job, the last one when it has ended. */
export async function* jobMessages(
  deps: Deps,
  { log }: ApiRequest,
  { first, items, ending }: FollowedJob,
  { state, progress, preview }: Words,
): AsyncGenerator<string> {
  let newest = first;
  try {
    yield* state(newest);
    for await (const item of items) {
      if (item.kind === 'preview') yield preview(item.preview);
      // The job that was sent last already contains the events before it.
      if (item.kind !== 'event' || compareEventIds(item.id, newest.lastEventId) <= 0) continue;
      if (item.event.type === 'progress') {
        yield progress(item.event.progress, item.id);
        continue;
      }
      newest = (await deps.ledger.jobs.get(first.record.id)) ?? newest;
      yield* state(newest);
      if (isTerminal(newest.record.status)) return;
    }
  } catch (error) {
    // The client reconnects by itself and then gets a proper answer: from another process if this one stops.
    if (deps.stopping.aborted) yield RECONNECT;
    if (!ending.aborted) log.warn('an event stream broke off', { job: first.record.id, error });
  }
}
