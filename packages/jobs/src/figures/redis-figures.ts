import type { Redis } from 'ioredis';

interface RedisMemory {
  readonly memoryBytes: number;
  /** 0: as much as the machine has. */
  readonly memoryMaxBytes: number;
}

/** What an operator must know of the Redis itself. */
export interface RedisFigures extends RedisMemory {
  /** It refuses writes when it is full, rather than forgetting jobs. */
  readonly noEviction: boolean;
  /** It keeps an append-only file. */
  readonly aof: boolean;
  /** Replicas that follow it; those that are still being given its data do not count. */
  readonly replicas: number;
}

export async function readRedisFigures(redis: Redis): Promise<RedisFigures> {
  const [memory, persistence, replication] = await Promise.all([
    redis.info('memory'),
    redis.info('persistence'),
    redis.info('replication'),
  ]);
  return {
    noEviction: field(memory, 'maxmemory_policy') === 'noeviction',
    aof: field(persistence, 'aof_enabled') === '1',
    ...memoryOf(memory),
    replicas: [...replication.matchAll(/^slave\d+:.*\bstate=online\b/gm)].length,
  };
}

export async function readRedisMemory(redis: Redis): Promise<RedisMemory> {
  return memoryOf(await redis.info('memory'));
}

function memoryOf(info: string): RedisMemory {
  return {
    memoryBytes: Number(field(info, 'used_memory') ?? 0),
    memoryMaxBytes: Number(field(info, 'maxmemory') ?? 0),
  };
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}
