import type { Claim, ClaimSource } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import pLimit, { type LimitFunction } from 'p-limit';

interface LeftBehind {
  readonly sources: readonly ClaimSource[];
  readonly place: (claim: Claim) => Promise<unknown>;
  /** One claim at a time, those of the claim loops included. */
  readonly turn: LimitFunction;
  readonly log: Logger;
}

/**
 * Takes the jobs that this worker has to look after and that this process does not hold; see ClaimSource. To be called
 * before anything else is claimed, when such a job may have come, and from time to time.
 */
export function createLeftBehind({ sources, place, turn, log }: LeftBehind): () => Promise<void> {
  const once = pLimit(1);
  return () =>
    once(async () => {
      for (const source of sources) {
        for await (const claim of source.leftBehind()) {
          await turn(() => place(claim)).catch((error: unknown) => log.error('a job was not placed', { error }));
        }
      }
    });
}
