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

/** What Redis says of itself, or of a section of that. */
export async function readInfo(redis: Redis, section = 'default'): Promise<ReadonlyMap<string, string>> {
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
