import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { redisTime } from '../redis-time.js';
import type { WorkQueues } from '../work-queues.js';
import { reconcile } from './reconcile.js';

interface Sweep {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queues: WorkQueues;
  /** Expires one job if its start deadline has passed and nobody has it. */
  readonly expire: (id: string) => Promise<boolean>;
  readonly log: Logger;
}

/** The V from which a pool's ranks are rebased: half of BullMQ's ceiling. */
const REBASE_FROM = 1_000_000;

/** The housekeeping of the queues. Every part is safe to repeat, and to be done by two at once. */
export async function sweep(context: Sweep): Promise<void> {
  const { redis, keys } = context;
  await expireOverdue(context);
  for (const pool of await redis.smembers(keys.pools)) {
    await reconcile(context, pool);
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

async function rebaseRanks({ redis, keys, log }: Sweep, pool: string): Promise<void> {
  const subtracted = await runScript(redis, 'rebase', keys.ranks(pool), [keys.prefix, pool, REBASE_FROM]);
  if (Number(subtracted) > 0) log.info('ranks rebased', { pool, subtracted });
}
