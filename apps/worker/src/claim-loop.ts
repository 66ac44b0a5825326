import type { Claim, ClaimSource } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { chooseLane, type Lane } from './lanes.js';
import type { NewsFeed } from './news-feed.js';
import { pause } from './pause.js';

interface ClaimLoop {
  readonly source: ClaimSource;
  readonly lanes: readonly Lane[];
  /** Pushed to whenever a lane may have become free. */
  readonly changes: NewsFeed<void>;
  readonly begin: (claim: Claim, lane: Lane) => void;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** A job that no lane of ours can take comes back to the queue for this long. */
const ELSEWHERE_MS = 500;
/** Pause after an unexpected error of the queue. */
const ERROR_PAUSE_MS = 500;
/** How long a loop without a free lane sleeps when nobody wakes it. */
const IDLE_MS = 5000;

/** Claims a job whenever a lane has a place for it, and never without one, until the signal aborts. */
export async function claimLoop({ source, lanes, changes, begin, signal, log }: ClaimLoop): Promise<void> {
  while (!signal.aborted) {
    try {
      if (!lanes.some((lane) => lane.isFree)) {
        await changes.next(IDLE_MS, signal);
        continue;
      }
      const claim = await source.next();
      if (claim === undefined) continue;
      const lane = signal.aborted ? undefined : chooseLane(lanes, claim);
      if (lane === undefined) await claim.release(signal.aborted ? 0 : ELSEWHERE_MS);
      else begin(claim, lane);
    } catch (error) {
      if (signal.aborted) return;
      log.error('claiming failed', { error });
      await pause(ERROR_PAUSE_MS, signal).catch(() => {});
    }
  }
}
