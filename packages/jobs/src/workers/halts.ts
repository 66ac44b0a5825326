import { redisTime, type Subscriptions } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { WorkQueues } from '../queue/work-queues.js';

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

/** Of a pool whose queue somebody paused with BullMQ's own means. */
const BY_BULLMQ = 'BullMQ';

/**
 * A pool is paused while BullMQ's queue of it is; since when and by whom is noted beside, if the word came from us. The
 * note of a pool that goes on by BullMQ's means counts for nothing.
 */
export async function readHalts(redis: Redis, keys: Keys): Promise<Halts> {
  const [texts, used] = await Promise.all([redis.hgetall(keys.halts), redis.smembers(keys.pools)]);
  const noted = new Map(Object.entries(texts).map(([field, text]) => [field, JSON.parse(text) as Halt]));
  const named = (kind: string) =>
    [...noted.keys()].flatMap((field) => (field.startsWith(`${kind} `) ? [field.slice(kind.length + 1)] : []));
  const pools = [...new Set([...used, ...named('pool')])];
  const marks = await Promise.all(pools.map((pool) => redis.hexists(keys.queueMeta(pool), 'paused')));
  const paused = pools.filter((_, n) => marks[n] === 1);
  const unknown = paused.some((pool) => !noted.has(`pool ${pool}`))
    ? { since: await redisTime(redis), by: BY_BULLMQ }
    : undefined;
  return {
    fleet: noted.get('fleet'),
    pools: new Map(paused.map((pool) => [pool, (noted.get(`pool ${pool}`) ?? unknown) as Halt])),
    instances: new Map(named('instance').map((name) => [name, noted.get(`instance ${name}`) as Halt])),
  };
}

/** Halts it and notifies the workers; what is halted already stays as it was, by whom it was. */
export async function halt(redis: Redis, keys: Keys, queues: Pick<WorkQueues, 'of'>, target: HaltTarget, by: string) {
  const field = fieldOf(target);
  const value = JSON.stringify({ since: await redisTime(redis), by } satisfies Halt);
  if (target.kind !== 'pool') await redis.hsetnx(keys.halts, field, value);
  else if (!(await queues.of(target.name).isPaused())) {
    await redis.hset(keys.halts, field, value);
    await queues.of(target.name).pause();
  }
  await redis.publish(keys.haltsChannel, field);
}

/** Has it go on and notifies the workers. Nothing changes when it was not halted. */
export async function resume(redis: Redis, keys: Keys, queues: Pick<WorkQueues, 'of'>, target: HaltTarget) {
  const field = fieldOf(target);
  if (target.kind === 'pool' && (await queues.of(target.name).isPaused())) await queues.of(target.name).resume();
  await redis.multi().hdel(keys.halts, field).publish(keys.haltsChannel, field).exec();
}

/** No pool and no instance has a space in its name. */
function fieldOf(target: HaltTarget): string {
  return target.kind === 'fleet' ? 'fleet' : `${target.kind} ${target.name}`;
}

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
