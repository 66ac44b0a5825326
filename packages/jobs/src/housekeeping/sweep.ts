import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { countItemsInOrder, type WorkQueues, waitingItems, withoutItem } from '../queue/work-queues.js';
import { idsOf, inPages } from '../record/indexes.js';
import { forgetServed } from '../scheduling/forget-served.js';
import { readHalts } from '../workers/halts.js';
import { instancesAtWork, readWorkers } from '../workers/presence.js';

interface Sweep {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queues: WorkQueues;
  /** Expires a job if its start deadline has passed and no worker has it. */
  readonly expire: (id: string) => Promise<boolean>;
  readonly log: Logger;
}

/** How many jobs expire in one sweep. */
const MOST_EXPIRED = 10_000;

/** Expires overdue jobs and repairs the queues. Every part is safe to repeat, and to run twice at once. */
export async function sweep(context: Sweep): Promise<void> {
  const { redis, keys } = context;
  await expireOverdue(context);
  const [workers, halts] = await Promise.all([readWorkers(redis, keys), readHalts(redis, keys)]);
  const atWork = new Set(instancesAtWork(workers, halts).map(({ name }) => name));
  for (const pool of await redis.smembers(keys.pools)) {
    await reconcile(context, pool);
    const resting = (await redis.zrange(keys.presents(pool), '0', '-1')).filter((name) => !atWork.has(name));
    await Promise.all(resting.map((name) => forgetServed(redis, keys, pool, name)));
    await runScript(redis, 'resume', keys.keysAtLimit(pool), keys.prefix, { pool });
  }
}

/** How many jobs are expired in one round trip. */
const PAGE = 200;

/**
 * Expires overdue jobs page by page, in three round trips each, because they count against the limit of open jobs until
 * then.
 */
async function expireOverdue(sweeping: Sweep): Promise<void> {
  const { redis, keys } = sweeping;
  const now = await redisTime(redis);
  let expired = 0;
  // Claimed jobs keep their deadlines and are skipped.
  let skipped = 0;
  while (expired < MOST_EXPIRED) {
    const ids = await redis.zrangebyscore(keys.deadlines, 0, now, 'LIMIT', skipped, PAGE);
    if (ids.length === 0) return;
    const verdicts = await Promise.all(ids.map((id) => expireOne(sweeping, id)));
    const count = verdicts.filter(Boolean).length;
    expired += count;
    skipped += ids.length - count;
  }
}

/** Returns whether the job has no deadline any more. */
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

/** For jobs that ended more recently, the worker may not have ended the work item yet. */
const GRACE_MS = 2000;

/**
 * Ensures that each open job has a work item, each work item has an open job, and each waiting job has a place among
 * those of its key. If somebody removed an item by hand, no worker would find its job. A crash between the end of a job
 * and of its item, or a Redis that lost its last second, leaves an item without an open job. Reads both lists
 * completely, which costs Redis about 50 ms for 100,000 jobs, and examines only the differences.
 */
async function reconcile(context: Sweep, pool: string): Promise<void> {
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

async function restore({ redis, keys, log }: Sweep, ids: readonly string[]) {
  for (const page of inPages(ids)) {
    const restored = page.map(async (id) => {
      if ((await runScript(redis, 'restore', keys.job(id), keys.prefix, { id })) === 0) return;
      log.warn('added the missing work item or queue place of a job', { job: id });
    });
    await Promise.all(restored);
  }
}

/** Whether there are more queued work items than waiting jobs, except those that are claimed before all others. */
async function lacksPlaces(redis: Redis, keys: Keys, pool: string): Promise<boolean> {
  const [items, waiting] = await Promise.all([
    countItemsInOrder(redis, keys, pool),
    redis.hvals(keys.affinities(pool)),
  ]);
  return items > waiting.reduce((sum, count) => sum + Number(count), 0);
}

async function removeOrphans(
  { redis, keys, queues, log }: Sweep,
  pool: string,
  ids: readonly string[],
  before: number,
) {
  for (const page of inPages(ids)) {
    const jobs = await Promise.all(page.map((id) => redis.hmget(keys.job(id), 'status', 'finished_at')));
    for (const [n, id] of page.entries()) {
      const [status, finishedAt] = jobs[n] ?? [];
      if (status && !(isTerminal(status as JobStatus) && Number(finishedAt) <= before)) continue;
      // BullMQ refuses this while a worker has the item; the worker then finds that the job has ended.
      await queues.of(pool).remove(id);
      log.warn('removed a work item without an open job', { job: id, pool });
    }
  }
}
