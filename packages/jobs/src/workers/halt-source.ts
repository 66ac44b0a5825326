import type { Subscriptions } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { type Halts, readHalts } from './halts.js';

/** Where a worker learns what operators have halted. */
export interface HaltSource {
  /** What is halted now. */
  read(): Promise<Halts>;
  /** Calls `listener` when that may have changed; it may be called late or never, so look from time to time. */
  onChange(listener: () => void): Promise<void>;
}

/** `changed` calls the listener: for a change that was found out before its message came. */
export function createHaltSource(
  redis: Redis,
  keys: Keys,
  subscriptions: Subscriptions,
): HaltSource & { changed(): void } {
  let changed = () => {};
  return {
    read: () => orUnavailable(() => readHalts(redis, keys)),
    onChange: async (listener) => {
      changed = listener;
      await subscriptions.listen(keys.haltsChannel, listener);
    },
    changed: () => changed(),
  };
}
