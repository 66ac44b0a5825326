import { type HaltSource, type Halts, isPaused } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Slots } from '../slots/slots.js';

/** Obeys what operators have halted. */
export interface PauseWatch {
  isPaused(pool: string): boolean;
  /** Looks what is halted and obeys it: to be called when that may have changed, and from time to time. */
  poll(): Promise<void>;
}

interface PauseWatchOptions {
  readonly source: Pick<HaltSource, 'read'>;
  readonly allSlots: readonly Slots[];
  readonly pools: readonly string[];
  /** To be called when something goes on or is halted. */
  readonly changed: () => void;
  /** Says how the instances stand, for whoever waits until one is drained. */
  readonly announce: () => Promise<void>;
  readonly log: Logger;
}

/**
 * A drained instance is given nothing, and nothing is claimed for a paused pool; what executes goes on to its end. What waits
 * behind it in ComfyUI is taken back into the queue, again and again: a job may have been on its way there.
 */
export function createPauseWatch({ source, allSlots, pools, changed, announce, log }: PauseWatchOptions): PauseWatch {
  let halts: Halts = { fleet: undefined, pools: new Map(), instances: new Map() };
  /** Which instances are drained, or will be. */
  const standing = () => allSlots.map(({ drains, all }) => (drains ? all.length === 0 : undefined)).join();
  let announced = standing();

  const obey = (now: Halts): boolean => {
    const before = halts;
    halts = now;
    let isChanged = false;
    for (const pool of pools) {
      const paused = isPaused(now, pool);
      if (paused === isPaused(before, pool)) continue;
      log.info(paused ? 'pool is paused' : 'pool goes on', { pool, key: (now.fleet ?? now.pools.get(pool))?.by });
      isChanged = true;
    }
    for (const slots of allSlots) {
      const { name } = slots.instance;
      const drains = now.instances.has(name);
      if (drains === slots.drains) continue;
      log.info(drains ? 'instance is to be drained: it takes no more jobs' : 'instance takes jobs again', {
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
      const now = standing();
      if (now === announced) return;
      await announce();
      announced = now;
    },
  };
}
