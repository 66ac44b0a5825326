import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { waitingItems, withoutItem } from '../queue/waiting-items.js';
import type { WorkQueues } from '../queue/work-queues.js';
import { idsOf, inPages } from '../record/id-pages.js';

interface Reconciling {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queues: WorkQueues;
  readonly log: Logger;
}

/** Jobs that ended since may be between their end and the removal of their work item. */
const GRACE_MS = 2000;

/**
 * Each open job has a work item, and each work item an open job. An item that BullMQ gave up, or that somebody removed
 * by hand, leaves a job that nobody would see; a crash between an end and the item's removal, or a Redis that
 * lost its last second, leaves an item that a worker takes in vain. Both lists are read whole, which costs Redis some
 * 50 ms for 100,000 jobs; only what is in one of them alone is looked up.
 */
export async function reconcile(context: Reconciling, pool: string): Promise<void> {
  const { redis, keys } = context;
  const before = (await redisTime(redis)) - GRACE_MS;
  const settled = await redis.zcount(keys.open(pool), 0, before);
  const old = await idsOf(redis, keys.open(pool), 0, settled);
  const open = new Set(old);
  for (const id of await idsOf(redis, keys.open(pool), settled)) open.add(id);
  const waiting = await waitingItems(redis, keys, pool);
  await addMissing(
    context,
    pool,
    old.filter((id) => !waiting.has(id)),
  );
  await removeOrphans(
    context,
    pool,
    [...waiting].filter((id) => !open.has(id)),
    before,
  );
}

async function addMissing({ redis, keys, queues, log }: Reconciling, pool: string, ids: readonly string[]) {
  for (const page of inPages(await withoutItem(redis, keys, pool, ids))) {
    const pipeline = redis.pipeline();
    for (const id of page) pipeline.hmget(keys.job(id), 'status');
    const replies = (await pipeline.exec()) ?? [];
    for (const [index, id] of page.entries()) {
      const [status] = (replies[index]?.[1] ?? []) as (string | null)[];
      if (!status || isTerminal(status as JobStatus)) continue;
      await queues.add(pool, id);
      log.warn('job had no work item; added it', { job: id, pool });
    }
  }
}

async function removeOrphans(
  { redis, keys, queues, log }: Reconciling,
  pool: string,
  ids: readonly string[],
  before: number,
) {
  for (const page of inPages(ids)) {
    const pipeline = redis.pipeline();
    for (const id of page) pipeline.hmget(keys.job(id), 'status', 'finished_at');
    const replies = (await pipeline.exec()) ?? [];
    for (const [index, id] of page.entries()) {
      const [error, fields] = replies[index] ?? [new Error('no reply')];
      if (error) throw error;
      const [status, finishedAt] = fields as (string | null)[];
      if (status && !(isTerminal(status as JobStatus) && Number(finishedAt) <= before)) continue;
      // BullMQ refuses while a worker has it, who then finds that there is nothing to do.
      await queues.remove(pool, id);
      log.warn('work item had no open job; removed it', { job: id, pool });
    }
  }
}
