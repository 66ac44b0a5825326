import type { Logger } from '@comfy-fleet/telemetry';
import { Queue, type QueueOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { idsOf, inPages } from '../record/indexes.js';

/** Option for queues whose BullMQ events nobody reads. */
export const NO_EVENTS = { streams: { events: { maxLen: 1 } } };

/** Opens a BullMQ queue. Its errors are only logged here, because calls fail with them as well. */
export function openQueue(
  redis: Redis,
  keys: Keys,
  name: string,
  log: Logger,
  options: Partial<QueueOptions> = {},
): Queue {
  // skipVersionCheck, because an INFO that fails while the connection drops would make the queue unusable for good.
  const queue = new Queue(name, { connection: redis, prefix: keys.prefix, skipVersionCheck: true, ...options });
  queue.on('error', (error) => log.debug('queue error', { queue: name, error }));
  return queue;
}

/** The BullMQ queues of the pools, for inspection and housekeeping. Work items are added by lua/create.lua. */
export type WorkQueues = ReturnType<typeof createWorkQueues>;

export function createWorkQueues(redis: Redis, keys: Keys, log: Logger) {
  const queues = new Map<string, Queue>();
  return {
    /** BullMQ's queue of a pool. */
    of: (pool: string) => {
      const queue = queues.get(pool) ?? openQueue(redis, keys, keys.queueName(pool), log);
      queues.set(pool, queue);
      return queue;
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/** Job ids of the work items of a pool that no worker holds. An item that is taken meanwhile may be missed. */
export async function waitingItems(redis: Redis, keys: Keys, pool: string): Promise<Set<string>> {
  return new Set([
    ...(await idsOf(redis, keys.prioritized(pool), 0)),
    ...(await idsOf(redis, keys.delayed(pool), 0)),
    ...(await redis.lrange(keys.waitList(pool), 0, -1)),
  ]);
}

/** How many work items wait, without those that are claimed before all others. */
export function countItemsInOrder(redis: Redis, keys: Keys, pool: string): Promise<number> {
  return redis.zcount(keys.prioritized(pool), LUA_CONSTANTS.PRIORITY * 2 ** 32, '+inf');
}

/** The jobs that have no waiting or active work item. */
export async function withoutItem(redis: Redis, keys: Keys, pool: string, ids: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const page of inPages(ids)) {
    const items = await Promise.all(page.map((id) => redis.hmget(keys.workItem(pool, id), 'name', 'finishedOn')));
    missing.push(...page.filter((_, n) => items[n]?.[0] === null || items[n]?.[1] !== null));
  }
  return missing;
}
