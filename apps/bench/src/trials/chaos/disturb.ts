import { setTimeout as delay } from 'node:timers/promises';
import { ask } from '../../lib/http.js';
import type { TrialStack } from '../stack/stack.js';
import type { Plan, PlannedFault } from './plan.js';
import { NAMES } from './settings.js';

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
export async function runKills(stack: TrialStack, { kills }: Plan): Promise<void> {
  const underWay: Promise<void>[] = [];
  for (const { afterMs, process, downMs } of kills) {
    await delay(afterMs);
    const victim = stack.named(process);
    if (!victim.isDown) underWay.push(victim.crash(downMs));
  }
  await Promise.all(underWay);
}

/** Kills every dispatcher at once, and starts them again. Resolves when they are up. */
export async function strikeDispatchers(stack: TrialStack, afterMs: number): Promise<void> {
  await delay(afterMs);
  const victims = NAMES.dispatchers.map((name) => stack.named(name)).filter(({ isDown }) => !isDown);
  await Promise.all(victims.map((victim) => victim.crash(0)));
}

/** Plants the faults as planned; one whose simulator is dead at that time falls away. */
export async function runFaults(stack: TrialStack, { faults }: Plan): Promise<PlantedFault[]> {
  const planted: PlantedFault[] = [];
  for (const { afterMs, simulator, fault } of faults) {
    await delay(afterMs);
    const { pid } = stack.named(simulator);
    const { status, sentAt } = await plant(stack, simulator, fault);
    const thereBy = Date.now();
    if (status === 201) planted.push({ simulator, pid, kind: fault.kind, plantedAt: sentAt, thereBy });
    else if (status !== undefined) throw new Error(`${simulator} refused the fault ${fault.kind}: ${status}`);
  }
  return planted;
}

function plant(stack: TrialStack, simulator: string, fault: PlannedFault['fault']) {
  return ask(`${stack.urlOf(simulator)}/simulator/faults`, { method: 'POST', body: fault });
}

/** Takes away the faults that have not come to pass. */
export async function clearFaults(stack: TrialStack): Promise<void> {
  for (const simulator of stack.simulators)
    await ask(`${stack.urlOf(simulator)}/simulator/faults`, { method: 'DELETE' });
}
