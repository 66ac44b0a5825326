import type { InstanceAbilities } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { orUnavailable } from '../unavailable.js';
import { createAbilityReader } from '../workers/abilities.js';
import { type Halts, type HaltTarget, halt, readHalts, resume } from '../workers/halts.js';
import { type FleetOverview, readOverview } from './overview.js';

/** The workers and their instances. Every method fails with `queue_unavailable` while Redis is away. */
export interface Fleet {
  overview(): Promise<FleetOverview>;
  /** What the instances of a pool that were seen within a day can do, as it was at most two seconds ago. */
  abilities(pool: string): Promise<readonly InstanceAbilities[]>;
  /** What operators have halted, as it is now. */
  halts(): Promise<Halts>;
  /** Halts it by the word of the key; what is halted already stays as it was. */
  halt(target: HaltTarget, key: string): Promise<void>;
  /** Has it go on; nothing changes when it was not halted. */
  resume(target: HaltTarget): Promise<void>;
}

export function createFleet(redis: Redis, keys: Keys): Fleet {
  const readAbilities = createAbilityReader(redis, keys);
  return {
    overview: () => orUnavailable(() => readOverview(redis, keys)),
    abilities: (pool) => orUnavailable(() => readAbilities(pool)),
    halts: () => orUnavailable(() => readHalts(redis, keys)),
    halt: (target, key) => orUnavailable(() => halt(redis, keys, target, key)),
    resume: (target) => orUnavailable(() => resume(redis, keys, target)),
  };
}
