import type { Abortable, Fleet } from '@comfy-fleet/client';
import type { FleetView } from './fleet-view.js';

/** How the fleet is now. */
export async function lookAtFleet(fleet: Fleet, options: Abortable): Promise<FleetView> {
  const status = await fleet.status(options);
  return { status, runs: new Map(), alerts: [], now: Date.now() };
}
