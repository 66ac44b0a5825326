import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { runScript } from './connection.js';
import type { Keys } from './keys.js';
import { takeLease } from './lease.js';
import { redisTime } from './redis-time.js';
import type { WorkQueues } from './work-queues.js';

interface Sweep {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queues: WorkQueues;
  readonly holder: string;
  readonly leaseMs: number;
  /** Expires one job if its start deadline has passed and nobody has it. */
  readonly expire: (id: string) => Promise<boolean>;
  readonly log: Logger;
}

/** Jobs younger than this may be between their record and their work item. */
const GRACE_MS = 2000;
/** Records looked at in one round trip. */
const PAGE = 500;
/** The V from which a pool's ranks are rebased: half of BullMQ's ceiling. */
const REBASE_FROM = 1_000_000;

/** The housekeeping of the queues, done by whoever holds the lease. Every part is safe to repeat. */
export async function sweep(context: Sweep): Promise<void> {
  const { redis, keys, holder, leaseMs } = context;
  if (!(await takeLease(redis, keys, 'sweep', holder, leaseMs))) return;
  await expireOverdue(context);
  for (const pool of await redis.smembers(keys.pools)) {
    await addMissingItems(context, pool);
    await rebaseRanks(context, pool);
  }
}

async function expireOverdue({ redis, keys, queues, expire, log }: Sweep): Promise<void> {
  const overdue = await redis.zrangebyscore(keys.deadlines, 0, await redisTime(redis));
  for (const id of overdue) {
    const pool = await redis.hget(keys.job(id), 'pool');
    if (pool === null) {
      await redis.zrem(keys.deadlines, id);
    } else if (await expire(id)) {
      await queues.remove(pool, id);
      log.info('job expired', { job: id });
    }
  }
}

/**
 * A crash between a record and its work item, or a work item that BullMQ gave up, leaves a job that nobody would see.
 */
async function addMissingItems({ redis, keys, queues, log }: Sweep, pool: string): Promise<void> {
  const before = (await redisTime(redis)) - GRACE_MS;
  for (let offset = 0; ; offset += PAGE) {
    const ids = await redis.zrangebyscore(keys.open(pool), 0, before, 'LIMIT', offset, PAGE);
    if (ids.length === 0) return;
    const pipeline = redis.pipeline();
    for (const id of ids) pipeline.exists(keys.workItem(pool, id)).hget(keys.job(id), 'rank');
    const replies = await pipeline.exec();
    for (const [index, id] of ids.entries()) {
      const [exists, rank] = [replies?.[index * 2]?.[1], replies?.[index * 2 + 1]?.[1]];
      if (exists !== 0 || typeof rank !== 'string') continue;
      await queues.add([{ pool, id, rank: Number(rank) }]);
      log.warn('job had no work item; added it', { job: id, pool });
    }
  }
}

async function rebaseRanks({ redis, keys, log }: Sweep, pool: string): Promise<void> {
  const subtracted = await runScript(redis, 'rebase', keys.ranks(pool), [keys.prefix, pool, REBASE_FROM]);
  if (Number(subtracted) > 0) log.info('ranks rebased', { pool, subtracted });
}
