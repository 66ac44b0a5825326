import { redisTime } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { WorkQueues } from '../queue/work-queues.js';
import { reconcile } from './reconcile.js';

interface Sweep {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queues: WorkQueues;
  /** Expires one job if its start deadline has passed and nobody has it. */
  readonly expire: (id: string) => Promise<boolean>;
  readonly log: Logger;
}

/** Jobs expired in one round trip, and in one sweep: other tasks wait for its end. */
const PAGE = 200;
const MOST_EXPIRED = 10_000;

/** The housekeeping of the queues. Every part is safe to repeat, and to be done by two at once. */
export async function sweep(context: Sweep): Promise<void> {
  const { redis, keys } = context;
  await expireOverdue(context);
  for (const pool of await redis.smembers(keys.pools)) {
    await reconcile(context, pool);
    await runScript(redis, 'resume', keys.keysAtLimit(pool), keys.prefix, { pool });
  }
}

/** A page in three round trips, however many jobs are in it: while they are open, they take the places of others. */
async function expireOverdue(context: Sweep): Promise<void> {
  const { redis, keys } = context;
  const now = await redisTime(redis);
  let gone = 0;
  // Held ones keep their deadlines, and are passed over.
  let stay = 0;
  while (gone < MOST_EXPIRED) {
    const ids = await redis.zrangebyscore(keys.deadlines, 0, now, 'LIMIT', stay, PAGE);
    if (ids.length === 0) return;
    const verdicts = await Promise.all(ids.map((id) => expireOne(context, id)));
    const count = verdicts.filter(Boolean).length;
    gone += count;
    stay += ids.length - count;
  }
}

/** Whether it has a deadline no more. */
async function expireOne({ redis, keys, expire, log }: Sweep, id: string): Promise<boolean> {
  const pool = await redis.hget(keys.job(id), 'pool');
  if (pool === null) {
    await redis.zrem(keys.deadlines, id);
    return true;
  }
  if (!(await expire(id))) return false;
  log.info('job expired', { job: id });
  return true;
}
