import { redisTime } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

export interface Expiring {
  readonly redis: Redis;
  readonly keys: Keys;
  /** Expires a job if its start deadline has passed and no worker has it. */
  readonly expire: (id: string) => Promise<boolean>;
  readonly log: Logger;
}

/** How many jobs are expired in one round trip. */
const PAGE = 200;

/**
 * Expires overdue jobs page by page, in three round trips each, because they count against the limit of open jobs until
 * then. Stops after `most`, because others wait for it; by default, after a page.
 */
export async function expireOverdue(expiring: Expiring, most = PAGE): Promise<void> {
  const { redis, keys } = expiring;
  const now = await redisTime(redis);
  let expired = 0;
  // Claimed jobs keep their deadlines and are skipped.
  let skipped = 0;
  while (expired < most) {
    const ids = await redis.zrangebyscore(keys.deadlines, 0, now, 'LIMIT', skipped, PAGE);
    if (ids.length === 0) return;
    const verdicts = await Promise.all(ids.map((id) => expireOne(expiring, id)));
    const count = verdicts.filter(Boolean).length;
    expired += count;
    skipped += ids.length - count;
  }
}

/** Returns whether the job has no deadline any more. */
async function expireOne({ redis, keys, expire, log }: Expiring, id: string): Promise<boolean> {
  const pool = await redis.hget(keys.job(id), 'pool');
  if (pool === null) {
    await redis.zrem(keys.deadlines, id);
    return true;
  }
  if (!(await expire(id))) return false;
  log.info('job expired', { job: id });
  return true;
}
