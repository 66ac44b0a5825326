import { isTerminal } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { CHAOS } from '../chaos/settings.js';
import type { PlannedJob } from '../orders/plan.js';
import type { Load } from '../people/load.js';
import type { Fleet } from '../stack/stack.js';
import { allJobs, deliveryOf, jobOf, queues, readRedis } from './look.js';

/** States of a webhook in which nothing more will come of it. */
const SETTLED = ['delivered', 'failed', 'skipped'];

/**
 * Waits until every job has ended, every webhook is settled and every simulator is idle, within limits. Answers how long
 * that took, in ms.
 */
export async function untilRest(fleet: Fleet, load: Load, orders: readonly PlannedJob[]): Promise<number> {
  const start = Date.now();
  const open = allJobs(load, (await readRedis(fleet)).histories, orders);
  const withinMs = CHAOS.restMs + open.size * CHAOS.restMsPerJob;
  const isAtRest = async () => {
    for (const [id, key] of open) {
      const job = await jobOf(fleet, id, key);
      if (job === undefined || !isTerminal(job.status)) return false;
      const delivery = await deliveryOf(fleet, id, key);
      if (delivery === undefined || !SETTLED.includes(delivery.state)) return false;
      open.delete(id);
    }
    return [...(await queues(fleet)).values()].every((length) => length === 0);
  };
  // What is not at rest by then is a breach that the checks describe.
  await until('the fleet is at rest', isAtRest, { withinMs, everyMs: 200 }).catch(() => {});
  return Date.now() - start;
}
