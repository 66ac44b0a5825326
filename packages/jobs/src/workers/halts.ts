import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** An operator's word that something is to take no more work. */
export interface Halt {
  /** ms since 1970, by Redis' clock. */
  readonly since: number;
  /** Id of the API key that said so. */
  readonly by: string;
}

/** All that is halted. It stays so, whoever restarts, until somebody has it go on. */
export interface Halts {
  /** No worker claims anything. */
  readonly fleet: Halt | undefined;
  /** No worker claims anything of these pools. */
  readonly pools: ReadonlyMap<string, Halt>;
  /** These instances, by name, are given no more prompts. */
  readonly instances: ReadonlyMap<string, Halt>;
}

export type HaltTarget = { readonly kind: 'fleet' } | { readonly kind: 'pool' | 'instance'; readonly name: string };

/** Whether jobs of the pool are claimed. */
export function isPaused({ fleet, pools }: Halts, pool: string): boolean {
  return fleet !== undefined || pools.has(pool);
}

export async function readHalts(redis: Redis, keys: Keys): Promise<Halts> {
  const pools = new Map<string, Halt>();
  const instances = new Map<string, Halt>();
  let fleet: Halt | undefined;
  for (const [field, text] of Object.entries(await redis.hgetall(keys.halts))) {
    const halt = JSON.parse(text) as Halt;
    const [kind, name = ''] = field.split(' ');
    if (kind === 'pool') pools.set(name, halt);
    else if (kind === 'instance') instances.set(name, halt);
    else fleet = halt;
  }
  return { fleet, pools, instances };
}

/** Halts it and notifies the workers; what is halted already stays as it was, by whom it was. */
export async function halt(redis: Redis, keys: Keys, target: HaltTarget, by: string): Promise<void> {
  const value: Halt = { since: await redisTime(redis), by };
  await redis
    .multi()
    .hsetnx(keys.halts, fieldOf(target), JSON.stringify(value))
    .publish(keys.haltsChannel, fieldOf(target))
    .exec();
}

/** Has it go on and notifies the workers. Nothing changes when it was not halted. */
export async function resume(redis: Redis, keys: Keys, target: HaltTarget): Promise<void> {
  await redis.multi().hdel(keys.halts, fieldOf(target)).publish(keys.haltsChannel, fieldOf(target)).exec();
}

/** As the claim script reads it. No pool and no instance has a space in its name. */
function fieldOf(target: HaltTarget): string {
  return target.kind === 'fleet' ? 'fleet' : `${target.kind} ${target.name}`;
}
