import type { RedisSettings } from '@comfy-fleet/config';
import { producerConnection, redisTime } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { createKeys } from '../keys.js';

interface RedisMemory {
  readonly memoryBytes: number;
  /** 0: no limit. */
  readonly memoryMaxBytes: number;
}

/** The figures of Redis that operators need. */
export interface RedisFigures extends RedisMemory {
  /** When its memory is full, it refuses writes instead of evicting jobs. */
  readonly noEviction: boolean;
  /** It writes an append-only file. */
  readonly aof: boolean;
  /** Replicas that follow it, not counting those that are still loading its data. */
  readonly replicas: number;
}

/** The answer to INFO, or to a section of it. */
async function readInfo(redis: Redis, section = 'default'): Promise<ReadonlyMap<string, string>> {
  const lines = (await redis.info(section)).split('\r\n').filter((line) => line.includes(':'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

export async function readRedisFigures(redis: Redis): Promise<RedisFigures> {
  const info = await readInfo(redis);
  return {
    noEviction: info.get('maxmemory_policy') === 'noeviction',
    aof: info.get('aof_enabled') === '1',
    ...memoryOf(info),
    replicas: [...info].filter(([name, value]) => /^slave\d+$/.test(name) && /\bstate=online\b/.test(value)).length,
  };
}

export async function readRedisMemory(redis: Redis): Promise<RedisMemory> {
  return memoryOf(await readInfo(redis, 'memory'));
}

function memoryOf(info: ReadonlyMap<string, string>): RedisMemory {
  return { memoryBytes: Number(info.get('used_memory') ?? 0), memoryMaxBytes: Number(info.get('maxmemory') ?? 0) };
}

/** What decides whether a fleet can trust this Redis with its jobs. */
export interface RedisInspection {
  readonly version: string;
  /** `standalone`, `sentinel` or `cluster`. */
  readonly mode: string;
  /** `master` or `slave`. */
  readonly role: string;
  /** What it evicts when its memory is full; `noeviction`: nothing. */
  readonly evictionPolicy: string;
  readonly aof: boolean;
  /** Whether its last write to the append-only file succeeded. */
  readonly aofWritesGoWell: boolean;
  /** `always`, `everysec` or `no`; undefined if CONFIG is not allowed, as in hosted Redis. */
  readonly appendfsync: string | undefined;
  readonly usedBytes: number;
  /** 0: no limit. */
  readonly maxBytes: number;
  /** Connected replicas. */
  readonly replicas: number;
  /** The round-trip times of PINGS pings, in ascending order. */
  readonly roundTripsMs: readonly number[];
  /** Redis' clock minus ours; 0 if the difference is within the round-trip time. */
  readonly clockOffsetMs: number;
}

const PINGS = 100;

/**
 * Connects, asks and disconnects. Rejects with the error of connecting (`ECONNREFUSED`, `WRONGPASS …`), with Redis'
 * error, or with the signal's reason.
 */
export async function inspectRedis(
  settings: RedisSettings,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<RedisInspection> {
  const redis = producerConnection(settings, log);
  try {
    await waitForAnswer(redis, signal);
    // In a Cluster, this redirects to the node that has our keys, which is the one to inspect.
    await redis.exists(createKeys(settings.prefix).replicated);
    const roundTripsMs = await roundTrips(redis, signal);
    const info = await readInfo(redis);
    const before = Date.now();
    const theirs = await redisTime(redis);
    const after = Date.now();
    return {
      version: info.get('redis_version') ?? '',
      mode: info.get('redis_mode') ?? '',
      role: info.get('role') ?? '',
      evictionPolicy: info.get('maxmemory_policy') ?? '',
      aof: info.get('aof_enabled') === '1',
      aofWritesGoWell: info.get('aof_last_write_status') === 'ok',
      appendfsync: await setting(redis, 'appendfsync'),
      usedBytes: Number(info.get('used_memory') ?? 0),
      maxBytes: Number(info.get('maxmemory') ?? 0),
      replicas: Number(info.get('connected_slaves') ?? 0),
      roundTripsMs,
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
