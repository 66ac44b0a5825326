import type { Redis } from 'ioredis';
import { aFrame, anOrder, type Fleet, failed, POOL, startNext } from './builders.js';

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

const TEN_YEARS_MS = 315_360_000_000;

/** Leaves a fleet in the middle of its work: jobs in every state, a callback that is still to be sent, a paused pool. */
export async function runScenario(fleet: Fleet): Promise<void> {
  const { ledger } = fleet;
  const source = await fleet.worker('w1', { lockMs: 600_000 }).claims(POOL);
  const order = (name: keyof typeof JOBS, overrides: Parameters<typeof anOrder>[0] = {}) =>
    ledger.orders.create(anOrder({ id: JOBS[name], startWithinMs: TEN_YEARS_MS, ...overrides }));

  await order('succeeded', { callback: CALLBACK, idempotency: IDEMPOTENCY });
  const done = await startNext(source);
  await done.claim.progress({ fraction: 0.4, step: 3, steps: 8, node: 'KSampler' });
  await done.claim.collect();
  await done.claim.finish({ status: 'succeeded', images: [aFrame(JOBS.succeeded)], executedMs: 900 });
  await order('failed');
  await (await startNext(source)).claim.finish(failed());
  await order('executing', { key: 'anna', mostTaken: 1 });
  await startNext(source, PROMPTS.executing);
  await order('canceling');
  await startNext(source, PROMPTS.canceling);
  await ledger.jobs.cancel(JOBS.canceling);
  await order('parked', { key: 'anna', mostTaken: 1 });
  await source.next({ block: false });
  await order('lost');
  const lost = await startNext(source, PROMPTS.lost);
  await lost.claim.lose(PROMPTS.lost, 'died');
  await lost.claim.release(0);
  await order('waiting', { key: 'ben', callback: CALLBACK });
  await ledger.fleet.halt({ kind: 'pool', name: 'another' }, 'ops');
}

/** What is in Redis below the prefix, by the rest of each key: its type and its content, numbers of time and chance left out. */
export type Contents = Record<string, { readonly type: string; readonly value: unknown; readonly expires: boolean }>;

export async function contentsOf(redis: Redis, prefix: string): Promise<Contents> {
  const found: Contents = {};
  for (const key of (await redis.keys(`${prefix.replace(/[{}[\]?*]/g, '?')}:*`)).sort()) {
    const type = await redis.type(key);
    found[key.slice(prefix.length + 1)] = {
      type,
      value: await read(redis, key, type),
      expires: (await redis.pttl(key)) > 0,
    };
  }
  return found;
}

async function read(redis: Redis, key: string, type: string): Promise<unknown> {
  switch (type) {
    case 'hash':
      return redis.hgetall(key);
    case 'set':
      return (await redis.smembers(key)).sort();
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return redis.get(key);
  }
}

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
