import { isTerminal } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import type { ChaosSettings } from '../chaos/settings.js';
import type { PlannedJob } from '../orders/plan-orders.js';
import type { Load } from '../people/load.js';
import type { TrialStack } from '../stack/stack.js';
import { allJobs, deliveryOf, jobOf, queues, readRedis } from './look.js';

/** States of a webhook in which nothing more will come of it. */
const SETTLED = ['delivered', 'failed', 'skipped'];

/**
 * Waits until every job has ended, every webhook is settled and every simulator is idle, within limits. Answers how long
 * that took, in ms.
 */
export async function untilRest(
  stack: TrialStack,
  { settings, load, orders }: { settings: ChaosSettings; load: Load; orders: readonly PlannedJob[] },
): Promise<number> {
  const start = Date.now();
  const open = allJobs(load, (await readRedis(stack)).histories, orders);
  const withinMs = settings.restMs + open.size * settings.restMsPerJob;
  const isAtRest = async () => {
    for (const [id, key] of open) {
      const job = await jobOf(stack, id, key);
      if (job === undefined || !isTerminal(job.status)) return false;
      const delivery = await deliveryOf(stack, id, key);
      if (delivery === undefined || !SETTLED.includes(delivery.state)) return false;
      open.delete(id);
    }
    return [...(await queues(stack)).values()].every((length) => length === 0);
  };
  // What is not at rest by then is a breach that the checks describe.
  await until('the stack is at rest', isAtRest, { withinMs, everyMs: 200 }).catch(() => {});
  return Date.now() - start;
}
