import { isTerminal } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import type { Load } from './load.js';
import { allIds, jobOf, queues, readHistories } from './look.js';
import type { Fleet } from './processes.js';
import { CHAOS } from './settings.js';

/** Waits until every job has ended and every simulator is idle, within limits. Answers how long that took, in ms. */
export async function untilRest(fleet: Fleet, load: Load): Promise<number> {
  const start = Date.now();
  const open = new Set(allIds(load, await readHistories(fleet)));
  const withinMs = CHAOS.restMs + open.size * CHAOS.restMsPerJob;
  const isAtRest = async () => {
    for (const id of open) {
      const job = await jobOf(fleet, id);
      if (job === undefined || !isTerminal(job.status)) return false;
      open.delete(id);
    }
    return [...(await queues(fleet)).values()].every((length) => length === 0);
  };
  // What is not at rest by then is a breach that the checks describe.
  await until('the fleet is at rest', isAtRest, { withinMs, everyMs: 200 }).catch(() => {});
  return Date.now() - start;
}
