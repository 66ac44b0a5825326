import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { type GpuTime, HOUR_MS, type KeyBacklog, type KeyShare, MINUTE_MS, sharesOf } from './shares.js';

type WaitingReply = readonly [pool: string, key: string, jobs: number, heldBack: number, since: string, weight: string];
type RunningReply = readonly [pool: string, key: string, since: string, weight: string];

/**
 * What the keys get of the GPU time, at `now` by Redis' clock, in one round trip. What executes counts up to now. Looks at
 * the minutes of an hour, at 1,000 keys that wait and at 2,000 jobs of each pool that execute.
 */
export async function readShares(redis: Redis, keys: Keys, now: number): Promise<KeyShare[]> {
  const [[waiting, running], used, weights] = await Promise.all([
    runScript(redis, 'shares', keys.pools, [keys.prefix]) as Promise<[WaitingReply[], RunningReply[]]>,
    readUsedTime(redis, keys, now),
    readWeights(redis, keys, now),
  ]);
  // The weight that a key has now is that of its jobs that came last.
  for (const [, key, , weight] of running) weights.set(key, weightOf(weight));
  for (const [, key, , , , weight] of waiting) weights.set(key, weightOf(weight));
  return sharesOf({
    now,
    gpuTimes: [...used, ...running.flatMap(timeOf(now))],
    backlogs: waiting.map(backlogOf),
    weights,
  });
}

async function readUsedTime(redis: Redis, keys: Keys, now: number): Promise<GpuTime[]> {
  const last = Math.floor(now / MINUTE_MS);
  const minutes = Array.from({ length: HOUR_MS / MINUTE_MS + 1 }, (_, ago) => last - ago);
  const pipeline = redis.pipeline();
  for (const minute of minutes) pipeline.hgetall(keys.gpuTime(minute));
  const replies = (await pipeline.exec()) ?? [];
  return minutes.flatMap((minute, index) => {
    const from = minute * MINUTE_MS;
    const till = Math.min(now, from + MINUTE_MS);
    return Object.entries((replies[index]?.[1] ?? {}) as Record<string, string>).map(([field, ms]) => {
      const space = field.indexOf(' ');
      return { pool: field.slice(0, space), key: field.slice(space + 1), ms: Number(ms), from, till };
    });
  });
}

async function readWeights(redis: Redis, keys: Keys, now: number): Promise<Map<string, number>> {
  const hour = Math.floor(now / HOUR_MS);
  const [before, latest] = await Promise.all([
    redis.hgetall(keys.weights(hour - 1)),
    redis.hgetall(keys.weights(hour)),
  ]);
  return new Map(Object.entries({ ...before, ...latest }).map(([key, weight]) => [key, weightOf(weight)]));
}

function weightOf(weight: string): number {
  return weight === '' ? 1 : Number(weight);
}

function backlogOf([pool, key, jobs, heldBack, since]: WaitingReply): KeyBacklog {
  return { pool, key, jobs, heldBack: heldBack === 1, since: Number(since) };
}

function timeOf(now: number) {
  return ([pool, key, since]: RunningReply): GpuTime[] => {
    const from = Number(since);
    return since === '' || from >= now ? [] : [{ pool, key, ms: now - from, from, till: now }];
  };
}
