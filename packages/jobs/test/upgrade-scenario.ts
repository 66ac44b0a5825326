import type { Redis } from 'ioredis';

/** Fixed, so that what is written of them can be compared. */
const ids = (n: number) => `01990000-0000-7000-8000-${String(n).padStart(12, '0')}`;
export const JOBS = {
  succeeded: ids(1),
  failed: ids(2),
  executing: ids(3),
  canceling: ids(4),
  parked: ids(5),
  waiting: ids(6),
  lost: ids(7),
} as const;
export const PROMPTS = { executing: ids(103), canceling: ids(104), lost: ids(107) } as const;
export const IDEMPOTENCY = { digest: 'd', fingerprint: 'f' } as const;
export const CALLBACK = { url: 'https://example.com/hook', events: ['job.succeeded' as const] };

/** What is in Redis below the prefix, by the rest of each key: its type and its content, numbers of time and chance left out. */
export type Contents = Record<string, { readonly type: string; readonly value: unknown; readonly expires: boolean }>;

/** Puts contents under a prefix of their own; what expired then lives for an hour. */
export async function putContents(redis: Redis, prefix: string, contents: Contents): Promise<void> {
  for (const [rest, { type, value, expires }] of Object.entries(contents)) {
    const key = `${prefix}:${rest}`;
    const list = value as string[];
    if (type === 'hash') await redis.hset(key, value as Record<string, string>);
    else if (type === 'set') await redis.sadd(key, ...list);
    else if (type === 'zset')
      for (let n = 0; n < list.length; n += 2) await redis.zadd(key, list[n + 1] ?? '0', list[n] ?? '');
    else if (type === 'list') await redis.rpush(key, ...list);
    else if (type === 'stream')
      for (const [id, fields] of value as [string, string[]][]) await redis.xadd(key, id, ...fields);
    else await redis.set(key, value as string);
    if (expires) await redis.pexpire(key, 3_600_000);
  }
}
