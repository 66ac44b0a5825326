import { redisTime, type Subscriptions } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { WorkQueues } from '../queue/work-queues.js';

/** A pause or a drain that an operator ordered. */
export interface Halt {
  /** ms since 1970, by Redis' clock. */
  readonly since: number;
  /** Id of the operator's API key. */
  readonly by: string;
}

/** Everything that is paused or drained. This survives restarts and lasts until an operator resumes it. */
export interface Halts {
  /** The fleet is paused: workers claim no jobs. */
  readonly fleet: Halt | undefined;
  /** Paused pools: workers claim no jobs of them. */
  readonly pools: ReadonlyMap<string, Halt>;
  /** Drained instances, by name: they get no more prompts. */
  readonly instances: ReadonlyMap<string, Halt>;
}

export type HaltTarget = { readonly kind: 'fleet' } | { readonly kind: 'pool' | 'instance'; readonly name: string };

/** Whether the pool is paused, alone or with the whole fleet. */
export function isPaused({ fleet, pools }: Halts, pool: string): boolean {
  return fleet !== undefined || pools.has(pool);
}

/** Stands for the operator if somebody paused a pool's queue with BullMQ's own tools. */
const BY_BULLMQ = 'BullMQ';

/**
 * Reads what is paused or drained. A pool is paused exactly while BullMQ's queue of it is. Since when and by whom is
 * stored beside it if the pause came through our API; that note is ignored once the queue was resumed by BullMQ's own
 * tools.
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

/** Pauses or drains the target and notifies the workers. Changes nothing if it is paused or drained already. */
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

/** Resumes the target and notifies the workers. */
export async function resume(redis: Redis, keys: Keys, queues: Pick<WorkQueues, 'of'>, target: HaltTarget) {
  const field = fieldOf(target);
  if (target.kind === 'pool' && (await queues.of(target.name).isPaused())) await queues.of(target.name).resume();
  await redis.multi().hdel(keys.halts, field).publish(keys.haltsChannel, field).exec();
}

/** The names of pools and instances have no spaces. */
function fieldOf(target: HaltTarget): string {
  return target.kind === 'fleet' ? 'fleet' : `${target.kind} ${target.name}`;
}

/** Tells a worker what operators have paused or drained. */
export type HaltSource = ReturnType<typeof createHaltSource>;

export function createHaltSource(redis: Redis, keys: Keys, subscriptions: Subscriptions) {
  return {
    read: () => orUnavailable(() => readHalts(redis, keys)),
    /** Calls `listener` when that may have changed. Calls may be late or missing, so poll from time to time as well. */
    onChange: async (listener: () => void): Promise<void> => {
      await subscriptions.listen(keys.haltsChannel, listener);
    },
  };
}
