import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { type WorkQueues, waitingItems, withoutItem } from '../queue/work-queues.js';
import { idsOf, inPages } from '../record/indexes.js';

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

interface Reconciling {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queues: WorkQueues;
  readonly log: Logger;
}

/** Jobs that ended since may be between their end and the removal of their work item. */
const GRACE_MS = 2000;

/**
 * Each open job has a work item, each work item an open job, and each waiting job a place among those of its key. An
 * item that somebody removed by hand leaves a job that nobody would see; a crash between an end and the item's removal,
 * or a Redis that lost its last second, leaves an item that a worker takes in vain. Both lists are read whole, which
 * costs Redis some 50 ms for 100,000 jobs; only what is in one of them alone is looked up.
 */
async function reconcile(context: Reconciling, pool: string): Promise<void> {
  const { redis, keys } = context;
  const before = (await redisTime(redis)) - GRACE_MS;
  const settled = await redis.zcount(keys.open(pool), 0, before);
  const old = await idsOf(redis, keys.open(pool), 0, settled);
  const open = new Set(old);
  for (const id of await idsOf(redis, keys.open(pool), settled)) open.add(id);
  const waiting = await waitingItems(redis, keys, pool);
  const outside = old.filter((id) => !waiting.has(id));
  await restore(context, await withoutItem(redis, keys, pool, outside));
  if (await lacksPlaces(redis, keys, pool)) await restore(context, await idsOf(redis, keys.prioritized(pool), 0));
  const orphans = [...waiting].filter((id) => !open.has(id));
  await removeOrphans(context, pool, orphans, before);
}

async function restore({ redis, keys, log }: Reconciling, ids: readonly string[]) {
  for (const page of inPages(ids)) {
    const restored = page.map(async (id) => {
      if ((await runScript(redis, 'restore', keys.job(id), keys.prefix, { id })) === 0) return;
      log.warn('job had no work item, or no place among those that wait; it has now', { job: id });
    });
    await Promise.all(restored);
  }
}

/** Whether more work items are queued than jobs wait. */
async function lacksPlaces(redis: Redis, keys: Keys, pool: string): Promise<boolean> {
  const [items, first, waiting] = await Promise.all([
    redis.zcard(keys.prioritized(pool)),
    redis.llen(keys.first(pool)),
    redis.hvals(keys.affinities(pool)),
  ]);
  return items > waiting.reduce((sum, count) => sum + Number(count), first);
}

async function removeOrphans(
  { redis, keys, queues, log }: Reconciling,
  pool: string,
  ids: readonly string[],
  before: number,
) {
  for (const page of inPages(ids)) {
    const jobs = await Promise.all(page.map((id) => redis.hmget(keys.job(id), 'status', 'finished_at')));
    for (const [n, id] of page.entries()) {
      const [status, finishedAt] = jobs[n] ?? [];
      if (status && !(isTerminal(status as JobStatus) && Number(finishedAt) <= before)) continue;
      // BullMQ refuses while a worker has it, who then finds that there is nothing to do.
      await queues.of(pool).remove(id);
      log.warn('work item had no open job; removed it', { job: id, pool });
    }
  }
}
