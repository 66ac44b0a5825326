import { type HaltSource, type Halts, isPaused } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Slots } from '../slots/slots.js';

/** Applies pauses of pools and drains of instances that operators order. */
export interface PauseWatch {
  isPaused(pool: string): boolean;
  /** Reads and applies them. Call it repeatedly, and when they may have changed. */
  poll(): Promise<void>;
}

interface PauseWatchOptions {
  readonly source: Pick<HaltSource, 'read'>;
  readonly allSlots: readonly Slots[];
  readonly pools: readonly string[];
  /** Called when something is paused, drained or resumed. */
  readonly changed: () => void;
  /** Announces the instances, for operators who wait until one is drained. */
  readonly announce: () => Promise<void>;
  readonly log: Logger;
}

/**
 * A drained instance is given no jobs, and no jobs of a paused pool are claimed. Running prompts finish. Prompts that
 * wait behind them go back to the queue; this is repeated, because a job may have been on its way to the instance.
 */
export function createPauseWatch({ source, allSlots, pools, changed, announce, log }: PauseWatchOptions): PauseWatch {
  let halts: Halts = { fleet: undefined, pools: new Map(), instances: new Map() };
  /** For each instance: drained (true), draining (false), or neither. */
  const drainStates = () => allSlots.map(({ drains, all }) => (drains ? all.length === 0 : undefined)).join();
  let announced = drainStates();

  const obey = (now: Halts): boolean => {
    const before = halts;
    halts = now;
    let isChanged = false;
    for (const pool of pools) {
      const paused = isPaused(now, pool);
      if (paused === isPaused(before, pool)) continue;
      log.info(paused ? 'pool is paused' : 'pool is resumed', { pool, key: (now.fleet ?? now.pools.get(pool))?.by });
      isChanged = true;
    }
    for (const slots of allSlots) {
      const { name } = slots.instance;
      const drains = now.instances.has(name);
      if (drains === slots.drains) continue;
      log.info(drains ? 'instance is draining: it takes no more jobs' : 'instance takes jobs again', {
        instance: name,
        key: now.instances.get(name)?.by,
      });
      slots.drains = drains;
      isChanged = true;
    }
    return isChanged;
  };

  return {
    isPaused: (pool) => isPaused(halts, pool),
    poll: async () => {
      if (obey(await source.read())) changed();
      for (const { behind, drains } of allSlots) {
        for (const slot of behind) if (drains || isPaused(halts, slot.record.pool)) slot.takeBack();
      }
      const now = drainStates();
      if (now === announced) return;
      await announce();
      announced = now;
    },
  };
}
