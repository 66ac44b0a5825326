import { setTimeout as delay } from 'node:timers/promises';
import { FleetError, type JobHandle, type OrderOptions } from '@comfy-fleet/client';
import type { Order } from '../orders.js';
import { lineKey } from './line-key.js';

/** There will be room when other jobs have ended, of which this file may have many. */
const ROOM: ReadonlySet<string> = new Set(['queue_full', 'rate_limited', 'overloaded']);
const BAD_ENDS: ReadonlySet<string> = new Set(['failed', 'canceled', 'expired']);

/** Places the orders of one file, each once: a function for its rows. */
export function rowPlacer(file: string): (order: Order, signal: AbortSignal) => Promise<JobHandle> {
  const seen = new Map<string, number>();
  return async (order, signal) => {
    const nth = seen.get(order.identity) ?? 0;
    seen.set(order.identity, nth + 1);
    for (let attempt = 0; ; attempt++) {
      const job = await existing(order, { idempotencyKey: lineKey(file, order.identity, nth, attempt), signal });
      // A job that has ended before is of an earlier run: that is what is run again.
      if (job !== undefined && !BAD_ENDS.has(job.status)) return job;
    }
  };
}

/** The new job, or that of an earlier run; undefined: that one has been deleted. Waits for room in the queue. */
async function existing(order: Order, options: OrderOptions): Promise<JobHandle | undefined> {
  for (;;) {
    try {
      return await order.place(options);
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      if (error.code === 'job_not_found') return undefined;
      if (!ROOM.has(error.code)) throw error;
      await delay((error.retryAfterSeconds ?? 1) * 1000, undefined, options);
    }
  }
}
