import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { readExecuting } from '../record/jobs-in-work.js';
import { readWaiting } from './read-waiting.js';
import { type GpuTime, type KeyBacklog, type KeyShare, sharesOf } from './shares.js';

const MINUTE_MS = 60_000;

interface Moment {
  /** Names of all pools that were ever used. */
  readonly pools: readonly string[];
  /** ms since 1970, by Redis' clock. */
  readonly now: number;
}

type Weighed<T> = T & { readonly weight: number };

/**
 * Reads the shares of the keys; executions count up to now. Takes four round trips, no matter how many jobs wait.
 */
export async function readShares(redis: Redis, keys: Keys, moment: Moment): Promise<KeyShare[]> {
  const [{ times, weights }, backlogs, running] = await Promise.all([
    readGpuTimes(redis, keys, moment.now),
    readBacklogs(redis, keys, moment),
    readRunning(redis, keys, moment),
  ]);
  // The current weight of a key is that of its newest jobs.
  for (const { key, weight } of [...running, ...backlogs]) weights.set(key, weight);
  return sharesOf({ now: moment.now, times: [...times, ...running], backlogs, weights });
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

async function readBacklogs(redis: Redis, keys: Keys, { pools }: Moment): Promise<Weighed<KeyBacklog>[]> {
  const ofPools = pools.map(async (pool) =>
    (await readWaiting(redis, keys, pool)).flatMap(({ key, heldBack, jobs, heads }) => {
      const [oldest] = heads.toSorted((a, b) => a.since - b.since);
      return oldest === undefined ? [] : [{ pool, key, heldBack, jobs, since: oldest.since, weight: oldest.weight }];
    }),
  );
  return (await Promise.all(ofPools)).flat();
}

async function readRunning(redis: Redis, keys: Keys, { pools, now }: Moment): Promise<Weighed<GpuTime>[]> {
  const ofPools = pools.map(async (pool) =>
    (await readExecuting(redis, keys, pool))
      .filter(({ startedAt }) => startedAt < now)
      .map(({ key, weight, startedAt: from }) => ({ pool, key, ms: now - from, from, till: now, weight })),
  );
  return (await Promise.all(ofPools)).flat();
}
