import { isId, joinSignals } from '@comfy-fleet/contracts';
import type { JobSnapshot, JobStreamItem } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import { jobNotFound, owns } from '../files/own-job.js';
import type { ApiRequest } from '../server/messages.js';
import { openUntil } from '../server/open-streams.js';

/** A job and what becomes of it, for an answer that is a stream. */
export interface FollowedJob {
  readonly first: JobSnapshot;
  /** What follows the first snapshot; see jobStream. */
  readonly items: AsyncIterable<JobStreamItem>;
  /** Aborts when the caller goes away, or the process is to end. */
  readonly ending: AbortSignal;
}

/**
 * Follows the job of that id for as long as the request lasts; it counts as one of the streams that are open. Throws
 * job_not_found, too_many_streams and overloaded.
 */
export async function followJob(deps: Deps, request: ApiRequest): Promise<FollowedJob> {
  const { ledger, stopping, streams } = deps;
  const { signal, caller } = request;
  const { id = '' } = request.params;
  if (!isId(id)) throw jobNotFound();
  signal.throwIfAborted();
  if (caller !== undefined) openUntil(signal, streams, caller.id);
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
  // A stream opened by a signed link counts for the key of its job.
  if (caller === undefined) openUntil(signal, streams, first.snapshot.record.key);
  return { first: first.snapshot, items: { [Symbol.asyncIterator]: () => items }, ending };
}
