import type { Claim, ClaimSource } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { LimitFunction } from 'p-limit';
import type { Bell } from './bell.js';
import type { HeldJob } from './held-job.js';
import type { Lane } from './lanes.js';
import { pause } from './pause.js';

interface ClaimLoop {
  readonly source: ClaimSource;
  readonly lanes: readonly Lane[];
  /** Rings whenever a lane may have got a free place. */
  readonly changes: Bell;
  /** One at a time among the loops of all pools: whoever claims for a place has it until the claim is placed. */
  readonly turn: LimitFunction;
  /** Whether the lane can run the job. */
  readonly mayMove: (job: HeldJob, lane: Lane) => boolean;
  /** Takes the claim to a lane, or back into the queue; answers whether to a lane. */
  readonly place: (claim: Claim) => Promise<boolean>;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Pause after an unexpected error of the queue. */
const ERROR_PAUSE_MS = 500;
/** How often a busy lane's second place looks for a job while the queue is empty. */
const REFILL_MS = 100;
/** Longest pause after claims that no lane here could run. */
const LONGEST_UNPLACED_MS = 3000;
/** How long a loop without any place sleeps when nobody wakes it. */
const FULL_MS = 5000;

/**
 * The claimer of one pool: claims a job whenever a lane has a place for it, and never without one, until the signal aborts. An idle lane comes
 * first: it takes over what waits behind another prompt of ours, else what waits in the queue, else it asks the other
 * workers for what waits behind theirs. A second place is filled only while no instance of the pool is idle.
 */
export async function claimLoop(loop: ClaimLoop): Promise<void> {
  const { source, lanes, changes, turn, mayMove, place, signal, log } = loop;
  let saidIdle: readonly string[] = [];
  /** Claims in a row for which there was no lane, although one was free: it cannot run them. */
  let unplaced = 0;

  while (!signal.aborted) {
    try {
      if (unplaced > 0) {
        // Claiming on at once would take the whole queue out and put it back.
        await sayBusy();
        await changes.heard(Math.min(REFILL_MS * 2 ** unplaced, LONGEST_UNPLACED_MS), signal);
      }
      if (lanes.some((lane) => lane.isIdle)) await feedIdle();
      else if (lanes.some((lane) => lane.hasRoom)) await fillAhead();
      else {
        await sayBusy();
        await changes.heard(FULL_MS, signal);
      }
    } catch (error) {
      if (signal.aborted) break;
      log.error('claiming failed', { error });
      await pause(ERROR_PAUSE_MS, signal).catch(() => {});
    }
  }

  async function feedIdle(): Promise<void> {
    const fed = await turn(async () => {
      if (!lanes.some(({ isIdle }) => isIdle) || moveBehind(lanes, mayMove)) return true;
      const claim = await source.next({ block: false });
      if (claim !== undefined) await take(claim);
      return claim !== undefined;
    });
    if (fed) return;
    const idle = lanes.filter((lane) => lane.isIdle).map(({ instance }) => instance.name);
    if (idle.length === 0) return;
    saidIdle = idle;
    await source.noteIdle(idle);
    await source.recall();
    const later = await source.next({ block: true });
    if (later !== undefined) await turn(() => take(later));
  }

  async function fillAhead(): Promise<void> {
    await sayBusy();
    const filled = await turn(async () => {
      if (!lanes.some(({ hasRoom }) => hasRoom) || (await source.othersIdle())) return false;
      const claim = await source.next({ block: false });
      if (claim !== undefined) await take(claim);
      return claim !== undefined;
    });
    if (!filled) await changes.heard(REFILL_MS, signal);
  }

  async function take(claim: Claim): Promise<void> {
    unplaced = (await place(claim)) ? 0 : unplaced + 1;
  }

  async function sayBusy(): Promise<void> {
    if (saidIdle.length === 0) return;
    await source.noteBusy(saidIdle);
    saidIdle = [];
  }
}

/** Has a job that waits behind another one of ours moved to an idle lane. Answers whether one was found. */
function moveBehind(lanes: readonly Lane[], mayMove: ClaimLoop['mayMove']): boolean {
  for (const idle of lanes.filter(({ isIdle }) => isIdle)) {
    const behind = lanes.map((lane) => lane.behind).find((job) => job !== undefined && mayMove(job, idle));
    if (behind === undefined) continue;
    behind.takeBack(idle);
    return true;
  }
  return false;
}
