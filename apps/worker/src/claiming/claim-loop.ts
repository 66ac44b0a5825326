import type { Claim, ClaimSource } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Slots } from '../instance/slots.js';
import type { Bell } from '../waiting/bell.js';
import { pause } from '../waiting/pause.js';
import { type Movable, moveBehind } from './move-behind.js';
import type { Placed } from './placer.js';

/** Nothing is claimed for a pool that is paused, nor are its jobs moved from one instance to another. */
interface ClaimLoop extends Movable {
  readonly source: ClaimSource;
  readonly pool: string;
  /** Of the instances that serve the pool. */
  readonly allSlots: readonly Slots[];
  /** Rings whenever a slot may have become free. */
  readonly changes: Bell;
  /** One at a time among the loops of all pools: whoever claims for free slots has them until the claims are placed. */
  readonly turn: LimitFunction;
  /** Takes the claim to a slot, or back into the queue. */
  readonly place: (claim: Claim) => Promise<Placed>;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Pause after an unexpected error of the queue. */
const ERROR_PAUSE_MS = 500;
/** How often the free slots of busy instances look for jobs while the queue is empty. */
const REFILL_MS = 100;
/** How long a loop without any free slot sleeps when nobody wakes it. */
const FULL_MS = 5000;
/** Claims on their way at once: what the disk under Redis takes for one it takes for all of them. */
const MOST_AT_ONCE = 16;
/** Pause after a claim that no instance here can run: going on at once would take the whole queue out and put it back. */
const UNABLE_PAUSE_MS = 250;
/** For so long after it the others are not asked for jobs, and need not hold theirs back for us. */
const UNABLE_LIFE_MS = 10_000;

/**
 * The claimer of one pool: claims jobs whenever there are slots for them, and never without one, until the signal
 * aborts. An idle instance comes first: it takes over what waits behind another prompt of ours, else what waits in the
 * queue, else it asks the other workers for what waits behind theirs. Slots behind a prompt are filled only while no
 * instance of the pool is idle in another process.
 */
export async function claimLoop(loop: ClaimLoop): Promise<void> {
  const { source, pool, allSlots, changes, turn, able, place, isPaused, signal, log } = loop;
  let saidIdle: readonly string[] = [];
  let unableUntil = 0;

  while (!signal.aborted) {
    try {
      const hasSlot = !isPaused(pool) && allSlots.some(({ freeSlots }) => freeSlots > 0);
      if (hasSlot && allSlots.some(({ isIdle }) => isIdle)) await feedIdle();
      else if (hasSlot) await fillAhead();
      else {
        if (isPaused(pool)) for (const { meter } of allSlots) meter.hadNothing(pool);
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
      const idle = allSlots.filter(({ isIdle }) => isIdle).length;
      // Among jobs that no instance here can run, the next one that can be run may be further behind.
      return (
        idle === 0 || moveBehind(allSlots, { able, isPaused }) || (await claimUpTo(isUnable() ? MOST_AT_ONCE : idle))
      );
    });
    if (fed) return;
    const standing = allSlots.filter(({ isIdle }) => isIdle);
    for (const { meter } of standing) meter.hadNothing(pool);
    const idle = standing.map(({ instance }) => instance.name);
    if (idle.length === 0) return;
    if (isUnable()) {
      await sayBusy();
      await changes.heard(UNABLE_PAUSE_MS, signal);
      return;
    }
    saidIdle = idle;
    await source.noteIdle(idle);
    await source.recall();
    const later = await source.next({ block: true });
    if (later !== undefined) await turn(() => take(later));
  }

  function isUnable(): boolean {
    return performance.now() < unableUntil;
  }

  async function fillAhead(): Promise<void> {
    await sayBusy();
    const filled = await turn(async () => {
      const free = allSlots.reduce((sum, { freeSlots }) => sum + freeSlots, 0);
      return free > 0 && !(await source.othersIdle()) && (await claimUpTo(free));
    });
    if (!filled) await changes.heard(REFILL_MS, signal);
  }

  /** Answers whether it is worth going on at once: jobs were there, and instances here can run them. */
  async function claimUpTo(most: number): Promise<boolean> {
    const first = await source.next({ block: false });
    if (first === undefined) return false;
    let fed = await take(first);
    // Claimed together, placed one after the other: each is to see the slots that those before it took.
    const oneByOne = pLimit(1);
    const others = Array.from({ length: Math.min(most, MOST_AT_ONCE) - 1 }, async () => {
      const claim = await source.next({ block: false });
      return claim !== undefined && (await oneByOne(() => take(claim)));
    });
    // Whatever fails, each of the others is placed.
    for (const answer of await Promise.allSettled(others)) {
      if (answer.status === 'rejected') throw answer.reason;
      fed ||= answer.value;
    }
    return fed;
  }

  async function take(claim: Claim): Promise<boolean> {
    const placed = await place(claim);
    if (placed === 'unable') unableUntil = performance.now() + UNABLE_LIFE_MS;
    return placed !== 'unable';
  }

  async function sayBusy(): Promise<void> {
    if (saidIdle.length === 0) return;
    await source.noteBusy(saidIdle);
    saidIdle = [];
  }
}
