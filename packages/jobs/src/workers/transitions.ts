import { type Replication, writeUntilReplicated } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { ScriptName } from '../scripts.js';

/** Runs one transition script of a job. */
export type Transitions = (name: ScriptName, id: string, args: NamedArguments) => Promise<unknown>;

export interface TransitionsOptions {
  readonly redis: Redis;
  /** Where submissions are written, which wait for replicas: that must not hold up the rest. */
  readonly submitting: Redis;
  readonly replication: Replication;
  readonly keys: Keys;
  readonly jobTtlSeconds: number;
  readonly keptWorkItems: number;
}

export function createTransitions(options: TransitionsOptions): Transitions {
  const { redis, submitting, replication, keys, jobTtlSeconds, keptWorkItems } = options;
  return (name, id, args) => {
    const named = { id, ended_life: jobTtlSeconds * 1000, kept_work_items: keptWorkItems, ...args };
    const runOn = (at: Redis) => orUnavailable(() => runScript(at, name, keys.job(id), keys.prefix, named));
    // Before ComfyUI is asked, it has to be where a failover finds it.
    if (name === 'submit') return orUnavailable(() => writeUntilReplicated(replication, () => runOn(submitting)));
    return runOn(redis);
  };
}
