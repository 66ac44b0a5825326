import type { Asker, Claim, ClaimSource } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { LimitFunction } from 'p-limit';
import pLimit from 'p-limit';
import type { Instance } from '../instance/instance.js';
import type { Slots } from '../slots/slots.js';
import { pause, type WakeUp } from '../waiting.js';
import { type Movable, moveBehind } from './move-behind.js';
import type { Placed } from './placer.js';

/** While the pool is paused, nothing is claimed for it and none of its jobs move between instances. */
interface ClaimLoop extends Movable {
  readonly source: ClaimSource;
  readonly pool: string;
  /** The slots of all instances that serve the pool. */
  readonly allSlots: readonly Slots[];
  /** Triggered whenever a slot may have become free. */
  readonly slotsChanged: WakeUp;
  /** Shared by the loops of all pools, so that a loop has the free slots for itself until its claims are placed. */
  readonly mutex: LimitFunction;
  /** Describes the instance to the scheduler. */
  readonly askerOf: (instance: Instance) => Asker | Promise<Asker>;
  /** Gives the claim a slot, preferably of the instance it was chosen for, or puts the job back into the queue. */
  readonly place: (claim: Claim, chosenFor: Slots) => Promise<Placed>;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Pause after an unexpected error of the queue. */
const ERROR_PAUSE_MS = 500;
/** How often busy instances with free slots ask for jobs while the queue is empty. */
const REFILL_MS = 100;
/** Longest sleep of a loop without free slots. */
const FULL_MS = 5000;
/** Concurrent claims. Redis waits for its disk once for all of them. */
const MOST_AT_ONCE = 16;
/**
 * Shortest pause after a claim that no instance here can run, or when no waiting job suits them. Without it the loop would
 * claim and release the whole queue.
 */
const UNABLE_PAUSE_MS = 250;
/**
 * How long a job that no instance here can run keeps us from asking other workers for jobs, and them from holding jobs
 * back for us.
 */
const UNABLE_MEMORY_MS = 10_000;

/** `fed`: jobs begin here; `none`: none wait; `left`: no waiting job is for the instances that asked. */
type Fed = 'fed' | 'none' | 'left';

/**
 * Claims jobs of one pool whenever there are slots for them, until the signal aborts. Each job is claimed for one
 * instance, so that it needs to load little. Idle instances come first. They take, in this order: a job that waits here
 * behind another prompt and needs no loading; a job of the queue; a job that waits here longer than loading would take;
 * a job that waits at another worker. Slots behind a prompt are filled only while no instance of the pool is idle in
 * another process.
 */
export async function claimLoop(loop: ClaimLoop): Promise<void> {
  const { source, pool, allSlots, slotsChanged, mutex, askerOf, place, isPaused, signal, log } = loop;
  let announcedIdle: readonly string[] = [];
  let unableUntil = 0;
  let isListening = false;

  while (!signal.aborted) {
    try {
      const hasSlot = !isPaused(pool) && allSlots.some(({ freeSlots }) => freeSlots > 0);
      if (hasSlot && allSlots.some(({ isIdle }) => isIdle)) await feedIdle();
      else if (hasSlot) await fillAhead();
      else {
        if (isPaused(pool)) for (const { meter } of allSlots) meter.hadNothing(pool);
        await announceBusy();
        await slotsChanged.wait(FULL_MS, signal);
      }
    } catch (error) {
      if (signal.aborted) break;
      log.error('claiming failed', { error });
      await pause(ERROR_PAUSE_MS, signal).catch(() => {});
    }
  }

  async function feedIdle(): Promise<void> {
    const fed = await mutex(async (): Promise<Fed> => {
      const idle = allSlots.filter(({ isIdle }) => isIdle);
      if (idle.length === 0 || moveBehind(allSlots, loop, 'may have jobs')) return 'fed';
      // Behind jobs that no instance here can run there may be one that it can.
      const times = isUnable() ? Math.ceil(MOST_AT_ONCE / idle.length) : 1;
      const claimed = await claimFor(idle.flatMap((slots) => Array<Slots>(times).fill(slots)));
      return claimed !== 'fed' && moveBehind(allSlots, loop, 'has none') ? 'fed' : claimed;
    });
    if (fed === 'fed') return;
    const stillIdle = allSlots.filter(({ isIdle }) => isIdle);
    for (const { meter, fullKeys } of stillIdle) {
      // If it took no jobs because storing is too slow, that counts as a gap between prompts.
      if (fed === 'none' || fullKeys.length === 0) meter.hadNothing(pool);
    }
    const idle = stillIdle.map(({ instance }) => instance.name);
    if (idle.length === 0) return;
    if (fed === 'left' || isUnable()) {
      await announceBusy();
      const asking = await recallFor(stillIdle);
      // The recalled job is for the idle instance, not for a slot behind a running prompt. Without one, the busy
      // instances may take what waits.
      if (asking !== undefined) await announceIdle([asking]);
      else if ((await claimAhead()) === 'fed') return;
      await slotsChanged.wait(UNABLE_PAUSE_MS, signal);
      // While prompts run here, jobs may soon be claimed behind them.
      if (fed === 'left' && stillIdle.length === allSlots.length) await untilChange();
      return;
    }
    await announceIdle(idle);
    await recallFor(stillIdle);
    await untilChange();
  }

  /** Resolves when a slot has changed or there may be work, or after about a second. */
  async function untilChange(): Promise<void> {
    const changed = () => {
      isListening = false;
      slotsChanged.trigger();
    };
    if (!isListening) void source.untilWork().then(changed, changed);
    isListening = true;
    await slotsChanged.wait(FULL_MS, signal);
  }

  /** Asks for a job that waits behind another one at another worker. Answers which of these instances will get it. */
  async function recallFor(idle: readonly Slots[]): Promise<string | undefined> {
    for (const { instance } of idle) if (await source.recall(await askerOf(instance))) return instance.name;
    return undefined;
  }

  function isUnable(): boolean {
    return performance.now() < unableUntil;
  }

  async function fillAhead(): Promise<void> {
    await announceBusy();
    if ((await claimAhead()) !== 'fed') await slotsChanged.wait(REFILL_MS, signal);
  }

  /** Claims for the slots behind running prompts. */
  function claimAhead(): Promise<Fed> {
    return mutex(async () => {
      const free = allSlots.flatMap((slots) => (slots.isIdle ? [] : Array<Slots>(slots.freeSlots).fill(slots)));
      return free.length === 0 || (await source.othersIdle()) ? 'none' : claimFor(free);
    });
  }

  /** Claims one job for each of these slots. `fed`: it is worth going on at once. */
  async function claimFor(slots: readonly Slots[]): Promise<Fed> {
    let fed: Fed = 'none';
    let isEmpty = false;
    // Claims are concurrent, placing is not: each placement must see the slots that earlier ones took.
    const [together, oneByOne] = [pLimit(MOST_AT_ONCE), pLimit(1)];
    const claimOne = async (asking: Slots) => {
      if (isEmpty) return;
      const asker = await askerOf(asking.instance);
      const claim = await source.nextFor({ ...asker, isIdle: () => asking.isIdle });
      if (claim === undefined) isEmpty = true;
      else if (claim === 'left') fed = fed === 'fed' ? fed : 'left';
      else if (await oneByOne(() => take(claim, asking))) fed = 'fed';
    };
    const [first, ...others] = slots;
    if (first !== undefined) await claimOne(first);
    // A failure must not keep the other claims from being placed.
    const answers = await Promise.allSettled(others.map((asking) => together(() => claimOne(asking))));
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
    return fed;
  }

  async function take(claim: Claim, chosenFor: Slots): Promise<boolean> {
    const placed = await place(claim, chosenFor);
    if (placed === 'unable') unableUntil = performance.now() + UNABLE_MEMORY_MS;
    return placed !== 'unable';
  }

  async function announceIdle(instances: readonly string[]): Promise<void> {
    announcedIdle = instances;
    await source.reportIdle(instances);
  }

  async function announceBusy(): Promise<void> {
    if (announcedIdle.length === 0) return;
    await source.reportBusy(announcedIdle);
    announcedIdle = [];
  }
}
