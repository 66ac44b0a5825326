import type { Redis } from 'ioredis';

/** What an operator must know of the Redis itself. */
export interface RedisFigures {
  /** It refuses writes when it is full, rather than forgetting jobs. */
  readonly noEviction: boolean;
  /** It keeps an append-only file. */
  readonly aof: boolean;
  readonly memoryBytes: number;
  /** 0: as much as the machine has. */
  readonly memoryMaxBytes: number;
  /** Replicas that follow it; those that are still being given its data do not count. */
  readonly replicas: number;
}

export async function readRedisFigures(redis: Redis): Promise<RedisFigures> {
  const [memory, persistence, replication] = await Promise.all([
    redis.info('memory'),
    redis.info('persistence'),
    redis.info('replication'),
  ]);
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(`${memory}${persistence}`)?.[1];
  return {
    noEviction: field('maxmemory_policy') === 'noeviction',
    aof: field('aof_enabled') === '1',
    memoryBytes: Number(field('used_memory') ?? 0),
    memoryMaxBytes: Number(field('maxmemory') ?? 0),
    replicas: [...replication.matchAll(/^slave\d+:.*\bstate=online\b/gm)].length,
  };
}
