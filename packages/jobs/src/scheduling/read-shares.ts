import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { executing, type JobInWork } from '../record/jobs-in-work.js';
import type { WaitingKey } from './read-waiting.js';
import { type GpuTime, type KeyBacklog, type KeyShare, sharesOf } from './shares.js';

const MINUTE_MS = 60_000;

/** What was read of a pool. */
export interface PoolReading {
  readonly pool: string;
  readonly waitingKeys: readonly WaitingKey[];
  readonly inWork: readonly JobInWork[];
}

/** The shares of the keys; executions count up to `now`, in ms since 1970 by Redis' clock. */
export async function readShares(
  redis: Redis,
  keys: Keys,
  { pools, now }: { readonly pools: readonly PoolReading[]; readonly now: number },
): Promise<KeyShare[]> {
  const { times, weights } = await readGpuTimes(redis, keys, now);
  const backlogs = pools.flatMap(backlogsOf);
  const running = pools.flatMap((pool) => executionsOf(pool, now));
  // The current weight of a key is that of its newest jobs.
  for (const { key, weight } of [...running, ...backlogs]) weights.set(key, weight);
  return sharesOf({ now, times: [...times, ...running], backlogs, weights });
}

/** GPU time of ended executions in the last hour, and the weights that their keys had last. */
async function readGpuTimes(redis: Redis, keys: Keys, now: number) {
  const first = Math.floor((now - LUA_CONSTANTS.HOUR_MS) / MINUTE_MS);
  const minutes = Array.from({ length: Math.floor(now / MINUTE_MS) - first + 1 }, (_, n) => first + n);
  const replies = await Promise.all(minutes.map((minute) => redis.hgetall(keys.gpuTime(minute))));
  const [times, weights]: [GpuTime[], Map<string, number>] = [[], new Map()];
  for (const [n, minute] of minutes.entries()) {
    const from = minute * MINUTE_MS;
    for (const [field, value] of Object.entries(replies[n] ?? {})) {
      const space = field.indexOf(' ');
      const [pool, key] = [field.slice(0, space), field.slice(space + 1)];
      if (pool === '') weights.set(key, Number(value));
      else times.push({ pool, key, ms: Number(value), from, till: Math.min(now, from + MINUTE_MS) });
    }
  }
  return { times, weights };
}

type Weighed<T> = T & { readonly weight: number };

function backlogsOf({ pool, waitingKeys }: PoolReading): Weighed<KeyBacklog>[] {
  return waitingKeys.flatMap(({ key, heldBack, jobs, heads }) => {
    const [oldest] = heads.toSorted((a, b) => a.since - b.since);
    return oldest === undefined ? [] : [{ pool, key, heldBack, jobs, since: oldest.since, weight: oldest.weight }];
  });
}

function executionsOf({ pool, inWork }: PoolReading, now: number): Weighed<GpuTime>[] {
  return executing(inWork)
    .filter(({ startedAt }) => startedAt < now)
    .map(({ key, weight, startedAt: from }) => ({ pool, key, ms: now - from, from, till: now, weight }));
}
