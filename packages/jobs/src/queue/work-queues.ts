import type { Logger } from '@comfy-fleet/telemetry';
import { Queue, type QueueOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

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
