import type { Logger } from '@comfy-fleet/telemetry';
import { Queue, type QueueOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { idsOf, inPages } from '../record/indexes.js';

/** Of a queue whose events from BullMQ nobody reads. */
export const NO_EVENTS = { streams: { events: { maxLen: 1 } } };

/** A queue of BullMQ. What it emits as errors fails the calls as well. */
export function openQueue(
  redis: Redis,
  keys: Keys,
  name: string,
  log: Logger,
  options: Partial<QueueOptions> = {},
): Queue {
  // An INFO that fails while the connection drops would make this queue object useless for good.
  const queue = new Queue(name, { connection: redis, prefix: keys.prefix, skipVersionCheck: true, ...options });
  queue.on('error', (error) => log.debug('queue error', { queue: name, error }));
  return queue;
}

/**
 * The pools' BullMQ queues, seen from the side that tidies them. The script that makes a job adds its work
 * item (lua/create.lua).
 */
export interface WorkQueues {
  /** BullMQ's own queue of a pool, to be looked at. */
  of(pool: string): Queue;
  close(): Promise<void>;
}

export function createWorkQueues(redis: Redis, keys: Keys, log: Logger): WorkQueues {
  const queues = new Map<string, Queue>();
  return {
    of: (pool) => {
      const queue = queues.get(pool) ?? openQueue(redis, keys, keys.queueName(pool), log);
      queues.set(pool, queue);
      return queue;
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/** How many work items of a pool no worker has. */
export async function countWaitingItems(redis: Redis, keys: Keys, pool: string): Promise<number> {
  const counts = await Promise.all([
    redis.zcard(keys.prioritized(pool)),
    redis.llen(keys.waitList(pool)),
    redis.zcard(keys.delayed(pool)),
  ]);
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The job ids of the work items of a pool that no worker has. One that changes hands meanwhile may be missed. */
export async function waitingItems(redis: Redis, keys: Keys, pool: string): Promise<Set<string>> {
  return new Set([
    ...(await idsOf(redis, keys.prioritized(pool), 0)),
    ...(await idsOf(redis, keys.delayed(pool), 0)),
    ...(await redis.lrange(keys.waitList(pool), 0, -1)),
  ]);
}

/** Which of the jobs have no work item that waits or is in anybody's hands. */
export async function withoutItem(redis: Redis, keys: Keys, pool: string, ids: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const page of inPages(ids)) {
    const items = await Promise.all(page.map((id) => redis.hmget(keys.workItem(pool, id), 'name', 'finishedOn')));
    missing.push(...page.filter((_, n) => items[n]?.[0] === null || items[n]?.[1] !== null));
  }
  return missing;
}
