import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from '../../lib/http.js';
import type { TrialStack } from '../stack/stack.js';
import type { Plan, PlannedFault, PlannedSickness } from './plan.js';
import { NAMES } from './settings.js';

/** A fault that was planted in a simulator. */
export interface PlantedFault {
  readonly simulator: string;
  /** The process id of the simulator at that time. */
  readonly pid: number;
  readonly kind: string;
  /** The fault was planted between these times, in ms since 1970: those of the request and its answer. */
  readonly plantedAt: number;
  readonly thereBy: number;
}

/** Kills and restarts processes as planned. Resolves when all are up again. */
export async function runKills(stack: TrialStack, { kills }: Plan): Promise<void> {
  const underWay: Promise<void>[] = [];
  for (const { afterMs, process, downMs } of kills) {
    await delay(afterMs);
    const victim = stack.named(process);
    if (!victim.isDown) underWay.push(victim.crash(downMs));
  }
  await Promise.all(underWay);
}

/** Kills all dispatchers at once and restarts them. Resolves when they are up. */
export async function killDispatchers(stack: TrialStack, afterMs: number): Promise<void> {
  await delay(afterMs);
  const victims = NAMES.dispatchers.map((name) => stack.named(name)).filter(({ isDown }) => !isDown);
  await Promise.all(victims.map((victim) => victim.crash(0)));
}

/** Plants faults as planned, except in simulators that are dead at that time. */
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

/** Removes faults that have not happened yet. */
export async function clearFaults(stack: TrialStack): Promise<void> {
  for (const simulator of stack.simulators)
    await ask(`${stack.urlOf(simulator)}/simulator/faults`, { method: 'DELETE' });
}

/** The faults that make a GPU sick. */
const FAULTS = {
  /** Every prompt fails, as in a process with a broken CUDA context, until it is restarted. */
  cuda_error: {
    kind: 'node_error',
    message: 'CUDA error: an illegal memory access was encountered',
    exception_type: 'torch.AcceleratorError',
  },
  /** The next prompt hangs and ignores interrupts, so only a restart ends it. */
  hung: { kind: 'hang', ignores_interrupts: true, times: 1 },
} as const;

/** How often planting is retried in a simulator that is dead at that time. */
const RETRY_MS = 200;
const TRIES = 40;
/** How often the file with the restarts that workers request is read. */
const POLL_MS = 200;

/** Makes GPUs sick as planned, and some of them well again. Resolves when that is done. */
export async function runSicknesses(stack: TrialStack, { sicknesses }: Plan): Promise<PlantedFault[]> {
  const planted = await Promise.all(sicknesses.map((sickness) => makeSick(stack, sickness)));
  return planted.filter((fault) => fault !== undefined);
}

async function makeSick(
  stack: TrialStack,
  { afterMs, simulator, kind, forMs }: PlannedSickness,
): Promise<PlantedFault | undefined> {
  await delay(afterMs);
  const url = `${stack.urlOf(simulator)}/simulator/faults`;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const { pid } = stack.named(simulator);
    const { status, sentAt, body } = await ask(url, { method: 'POST', body: FAULTS[kind] });
    const thereBy = Date.now();
    if (status === 201) {
      await delay(forMs);
      // A restarted simulator no longer has the fault, and a hung prompt continues to hang.
      if (kind === 'cuda_error') await ask(`${url}/${(body as { id: number }).id}`, { method: 'DELETE' });
      return { simulator, pid, kind, plantedAt: sentAt, thereBy };
    }
    await delay(RETRY_MS);
  }
  return undefined;
}

/** Restarts the instances for which workers request it, until the signal aborts. */
export async function runRestarts(stack: TrialStack, file: string, signal: AbortSignal): Promise<void> {
  const underWay: Promise<void>[] = [];
  for (let done = 0; !signal.aborted; await delay(POLL_MS)) {
    const requested = (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1);
    for (const name of requested.slice(done)) {
      const instance = stack.named(name);
      if (!instance.isDown) underWay.push(instance.crash(0));
    }
    done = requested.length;
  }
  await Promise.all(underWay);
}
