import { setTimeout as delay } from 'node:timers/promises';
import { ask } from '../../lib/http.js';
import { dispatcherNames, type Plan, type PlannedFault } from '../orders/plan.js';
import type { Fleet } from '../stack/stack.js';

/** A fault that a simulator was given. */
export interface PlantedFault {
  readonly simulator: string;
  /** Of the simulator's process at that time. */
  readonly pid: number;
  readonly kind: string;
  /** The call's beginning and its answer: it was there somewhen between. ms since 1970. */
  readonly plantedAt: number;
  readonly thereBy: number;
}

/** Kills and restarts as planned. Resolves when everybody is up again. */
export async function runKills(fleet: Fleet, { kills }: Plan): Promise<void> {
  const underWay: Promise<void>[] = [];
  for (const { afterMs, process, downMs } of kills) {
    await delay(afterMs);
    const victim = fleet.named(process);
    if (!victim.isDown) underWay.push(victim.crash(downMs));
  }
  await Promise.all(underWay);
}

/** Kills every dispatcher at once, and starts them again. Resolves when they are up. */
export async function strikeDispatchers(fleet: Fleet, afterMs: number): Promise<void> {
  await delay(afterMs);
  const victims = dispatcherNames.map((name) => fleet.named(name)).filter(({ isDown }) => !isDown);
  await Promise.all(victims.map((victim) => victim.crash(0)));
}

/** Plants the faults as planned; one whose simulator is dead at that time falls away. */
export async function runFaults(fleet: Fleet, { faults }: Plan): Promise<PlantedFault[]> {
  const planted: PlantedFault[] = [];
  for (const { afterMs, simulator, fault } of faults) {
    await delay(afterMs);
    const { pid } = fleet.named(simulator);
    const { status, sentAt } = await plant(fleet, simulator, fault);
    const thereBy = Date.now();
    if (status === 201) planted.push({ simulator, pid, kind: fault.kind, plantedAt: sentAt, thereBy });
    else if (status !== undefined) throw new Error(`${simulator} refused the fault ${fault.kind}: ${status}`);
  }
  return planted;
}

function plant(fleet: Fleet, simulator: string, fault: PlannedFault['fault']) {
  return ask(`${fleet.urlOf(simulator)}/simulator/faults`, { method: 'POST', body: fault });
}

/** Takes away the faults that have not come to pass. */
export async function clearFaults(fleet: Fleet, simulators: readonly string[]): Promise<void> {
  for (const simulator of simulators) await ask(`${fleet.urlOf(simulator)}/simulator/faults`, { method: 'DELETE' });
}
