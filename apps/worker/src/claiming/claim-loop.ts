import type { Asker, Claim, ClaimSource } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Instance } from '../instance/instance.js';
import type { Slots } from '../slots/slots.js';
import type { Bell } from '../waiting/news-feed.js';
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
  /** The instance as it asks for jobs. */
  readonly askerOf: (instance: Instance) => Asker | Promise<Asker>;
  /** Takes the claim to a slot, of the instance for which it was chosen if that can be; or back into the queue. */
  readonly place: (claim: Claim, chosenFor: Slots) => Promise<Placed>;
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
/**
 * Pause when jobs wait, but none for the instances here; and after a claim that none of these can run: going on at once
 * would take the whole queue out and put it back.
 */
const UNABLE_PAUSE_MS = 250;
/** For so long after it the others are not asked for jobs, and need not hold theirs back for us. */
const UNABLE_LIFE_MS = 10_000;

/** What came of asking for jobs: some begin here, none wait, or those that wait are none for the instances that asked. */
type Fed = 'fed' | 'none' | 'left';

/**
 * The claimer of one pool: claims jobs whenever there are slots for them, and never without one, until the signal
 * aborts. Each is claimed for an instance, so that it is one for which that has little to load. An idle instance
 * comes first: it takes over what waits behind another prompt of ours and needs no loading, else what waits in the queue,
 * else what needs loading less long than it would wait, else it asks the other workers for what waits behind theirs. Slots behind a prompt are filled only while no
 * instance of the pool is idle in another process.
 */
export async function claimLoop(loop: ClaimLoop): Promise<void> {
  const { source, pool, allSlots, changes, turn, askerOf, place, isPaused, signal, log } = loop;
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
    const fed = await turn(async (): Promise<Fed> => {
      const idle = allSlots.filter(({ isIdle }) => isIdle);
      if (idle.length === 0 || moveBehind(allSlots, loop, 'may have jobs')) return 'fed';
      // Among jobs that no instance here can run, the next one that can be run may be further behind.
      const times = isUnable() ? Math.ceil(MOST_AT_ONCE / idle.length) : 1;
      const claimed = await claimFor(idle.flatMap((slots) => Array<Slots>(times).fill(slots)));
      return claimed !== 'fed' && moveBehind(allSlots, loop, 'has none') ? 'fed' : claimed;
    });
    if (fed === 'fed') return;
    const standing = allSlots.filter(({ isIdle }) => isIdle);
    for (const { meter } of standing) meter.hadNothing(pool);
    const idle = standing.map(({ instance }) => instance.name);
    if (idle.length === 0) return;
    if (fed === 'left' || isUnable()) {
      await sayBusy();
      const asking = await recallFor(standing);
      // What comes back is for it, not to wait behind what executes; else the jobs are for those that are at work.
      if (asking !== undefined) await sayIdle([asking]);
      else if ((await claimAhead()) === 'fed') return;
      await changes.heard(UNABLE_PAUSE_MS, signal);
      return;
    }
    await sayIdle(idle);
    await recallFor(standing);
    await source.untilWork();
  }

  /** Asks for a job that waits behind another one elsewhere; answers for which of these instances it will come. */
  async function recallFor(idle: readonly Slots[]): Promise<string | undefined> {
    for (const { instance } of idle) if (await source.recall(await askerOf(instance))) return instance.name;
    return undefined;
  }

  function isUnable(): boolean {
    return performance.now() < unableUntil;
  }

  async function fillAhead(): Promise<void> {
    await sayBusy();
    if ((await claimAhead()) !== 'fed') await changes.heard(REFILL_MS, signal);
  }

  /** For the slots behind what executes. */
  function claimAhead(): Promise<Fed> {
    return turn(async () => {
      const free = allSlots.flatMap((slots) => (slots.isIdle ? [] : Array<Slots>(slots.freeSlots).fill(slots)));
      return free.length === 0 || (await source.othersIdle()) ? 'none' : claimFor(free);
    });
  }

  /** For each of these slots a job; `fed` when it is worth going on at once. */
  async function claimFor(slots: readonly Slots[]): Promise<Fed> {
    let fed: Fed = 'none';
    let isEmpty = false;
    // Claimed together, placed one after the other: each is to see the slots that those before it took.
    const [together, oneByOne] = [pLimit(MOST_AT_ONCE), pLimit(1)];
    const claimOne = async (asking: Slots) => {
      if (isEmpty) return;
      const claim = await source.nextFor(await askerOf(asking.instance));
      if (claim === undefined) isEmpty = true;
      else if (claim === 'left') fed = fed === 'fed' ? fed : 'left';
      else if (await oneByOne(() => take(claim, asking))) fed = 'fed';
    };
    const [first, ...others] = slots;
    if (first !== undefined) await claimOne(first);
    // Whatever fails, each of the others is placed.
    const answers = await Promise.allSettled(others.map((asking) => together(() => claimOne(asking))));
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
    return fed;
  }

  async function take(claim: Claim, chosenFor: Slots): Promise<boolean> {
    const placed = await place(claim, chosenFor);
    if (placed === 'unable') unableUntil = performance.now() + UNABLE_LIFE_MS;
    return placed !== 'unable';
  }

  async function sayIdle(instances: readonly string[]): Promise<void> {
    saidIdle = instances;
    await source.reportIdle(instances);
  }

  async function sayBusy(): Promise<void> {
    if (saidIdle.length === 0) return;
    await source.reportBusy(saidIdle);
    saidIdle = [];
  }
}
