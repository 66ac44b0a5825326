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
  return { status, runs: runsOf(timeline), alerts, now: Date.now() };
}

/** What runs, by the ids of jobs. */
function runsOf({ instances }: FleetTimeline): Map<string, Run> {
  const runs = new Map<string, Run>();
  for (const { job_id, outcome, ...run } of instances.flatMap(({ stretches }) => stretches)) {
    if (job_id !== null && outcome === 'running') runs.set(job_id, run);
  }
  return runs;
}
