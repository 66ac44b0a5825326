import type { Logger } from '@comfy-fleet/telemetry';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/**
 * The pools' BullMQ queues, seen from the side that tidies them. The script that makes a job adds its work
 * item (lua/create.lua).
 */
export interface WorkQueues {
  /** BullMQ's own queue of a pool, to be looked at. */
  of(pool: string): Queue;
  /** Takes the work item away if nobody has it. */
  remove(pool: string, id: string): Promise<void>;
  close(): Promise<void>;
}

export function createWorkQueues(redis: Redis, keys: Keys, log: Logger): WorkQueues {
  const queues = new Map<string, Queue>();
  const queueOf = (pool: string): Queue => {
    const known = queues.get(pool);
    if (known !== undefined) return known;
    const queue = new Queue(keys.queueName(pool), {
      connection: redis,
      prefix: keys.prefix,
      // An INFO that fails while the connection drops would make this queue object useless for good.
      skipVersionCheck: true,
    });
    queue.on('error', (error) => log.debug('queue error', { pool, error }));
    queues.set(pool, queue);
    return queue;
  };
  return {
    of: queueOf,
    remove: async (pool, id) => {
      await queueOf(pool).remove(id);
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}
