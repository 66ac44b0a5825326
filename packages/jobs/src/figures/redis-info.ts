import type { RedisSettings } from '@comfy-fleet/config';
import { producerConnection, redisTime } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { createKeys } from '../keys.js';

/** What Redis says about itself, as far as operators need it; of other sections than `section`, nothing. */
export async function readRedisFigures(redis: Redis, section = 'default') {
  const lines = (await redis.info(section)).split('\r\n').filter((line) => line.includes(':'));
  const info = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  return {
    version: info.get('redis_version') ?? '',
    /** `standalone`, `sentinel` or `cluster`. */
    mode: info.get('redis_mode') ?? '',
    /** `master` or `slave`. */
    role: info.get('role') ?? '',
    /** What it evicts when its memory is full. `noeviction`: it refuses writes instead of deleting jobs. */
    evictionPolicy: info.get('maxmemory_policy') ?? '',
    /** It writes an append-only file. */
    aof: info.get('aof_enabled') === '1',
    /** Whether its last write to that file succeeded. */
    aofWritesGoWell: info.get('aof_last_write_status') === 'ok',
    memoryBytes: Number(info.get('used_memory') ?? 0),
    /** 0 if there is no limit. */
    memoryMaxBytes: Number(info.get('maxmemory') ?? 0),
    /** Replicas that follow it, not counting those that are still loading its data. */
    replicas: [...info].filter(([name, value]) => /^slave\d+$/.test(name) && /\bstate=online\b/.test(value)).length,
  };
}

/** What decides whether a fleet can trust this Redis with its jobs. */
export type RedisInspection = Awaited<ReturnType<typeof inspectRedis>>;

const PINGS = 100;

/**
 * Connects, asks and disconnects. Rejects with the error of connecting (`ECONNREFUSED`, `WRONGPASS …`), with Redis'
 * error, or with the signal's reason.
 */
export async function inspectRedis(
  settings: RedisSettings,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
) {
  const redis = producerConnection(settings, log);
  try {
    await waitForAnswer(redis, signal);
    // In a Cluster, this redirects to the node that has our keys, which is the one to inspect.
    await redis.exists(createKeys(settings.prefix).replicated);
    const roundTripsMs = await roundTrips(redis, signal);
    const figures = await readRedisFigures(redis);
    const before = Date.now();
    const theirs = await redisTime(redis);
    const after = Date.now();
    return {
      ...figures,
      /** `always`, `everysec` or `no`; undefined if CONFIG is not allowed, as in hosted Redis. */
      appendfsync: await setting(redis, 'appendfsync'),
      /** In ascending order. */
      roundTripsMs,
      /** Redis' clock minus ours; 0 if the difference is within the round-trip time. */
      clockOffsetMs: Math.round(theirs < before ? theirs - before : Math.max(0, theirs - after)),
    };
  } finally {
    redis.disconnect();
  }
}

/** Waits for the connection, or rejects with the first error: it does not wait for Redis to come back. */
async function waitForAnswer(redis: Redis, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    redis.once('ready', resolve);
    redis.once('error', reject);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function roundTrips(redis: Redis, signal: AbortSignal): Promise<number[]> {
  const took: number[] = [];
  while (took.length < PINGS) {
    signal.throwIfAborted();
    const began = performance.now();
    await redis.ping();
    took.push(performance.now() - began);
  }
  return took.sort((a, b) => a - b);
}

async function setting(redis: Redis, name: string): Promise<string | undefined> {
  const answer = await redis.config('GET', name).catch(() => []);
  return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : undefined;
}
