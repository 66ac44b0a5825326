import type { Abortable, Fleet, FleetTimeline } from '@comfy-fleet/client';
import type { Run } from './fleet-tables.js';
import type { FleetView } from './fleet-view.js';

/** How the fleet is now. */
export async function lookAtFleet(fleet: Fleet, options: Abortable): Promise<FleetView> {
  const [status, timeline, { alerts }] = await Promise.all([
    fleet.status(options),
    fleet.timeline({ ...options, minutes: 1 }),
    fleet.alerts(options),
  ]);
  return { url: fleet.url, status, runs: runsOf(timeline), alerts, now: Date.now() };
}

/** What jobs of the last minute are, by their ids: what a worker says that it runs may have ended since. */
function runsOf({ instances }: FleetTimeline): Map<string, Run> {
  const runs = new Map<string, Run>();
  for (const { job_id, ...run } of instances.flatMap(({ stretches }) => stretches)) {
    if (job_id !== null) runs.set(job_id, run);
  }
  return runs;
}
