import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from '../../lib/http.js';
import type { TrialStack } from '../stack/stack.js';
import type { Plan, PlannedFault, PlannedSickness } from './plan.js';
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

/** What a simulator is told so that its GPU is sick in this way. */
const FAULTS = {
  /** As a process with a broken context does until it is restarted: every prompt fails. */
  cuda_error: {
    kind: 'node_error',
    message: 'CUDA error: an illegal memory access was encountered',
    exception_type: 'torch.AcceleratorError',
  },
  /** The next prompt hangs and hears no interrupt: only a restart ends it. */
  deaf_hang: { kind: 'hang', ignores_interrupts: true, times: 1 },
} as const;

/** How often a simulator that is dead just then is tried again. */
const RETRY_MS = 200;
const TRIES = 40;
/** How often it is looked what workers want restarted. */
const LOOK_MS = 200;

/** Makes GPUs sick as planned, and well again if they come right by themselves. Resolves when that is over. */
export async function runSicknesses(stack: TrialStack, { sicknesses }: Plan): Promise<PlantedFault[]> {
  const planted = await Promise.all(sicknesses.map((sickness) => fallSick(stack, sickness)));
  return planted.filter((fault) => fault !== undefined);
}

async function fallSick(
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
      // One that was restarted meanwhile knows nothing of it, and one that hangs goes on.
      if (kind === 'cuda_error') await ask(`${url}/${(body as { id: number }).id}`, { method: 'DELETE' });
      return { simulator, pid, kind, plantedAt: sentAt, thereBy };
    }
    await delay(RETRY_MS);
  }
  return undefined;
}

/** Restarts what the command asked for, until the signal aborts. */
export async function runRestarts(stack: TrialStack, file: string, signal: AbortSignal): Promise<void> {
  const underWay: Promise<void>[] = [];
  for (let done = 0; !signal.aborted; await delay(LOOK_MS)) {
    const asked = (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1);
    for (const name of asked.slice(done)) {
      const instance = stack.named(name);
      if (!instance.isDown) underWay.push(instance.crash(0));
    }
    done = asked.length;
  }
  await Promise.all(underWay);
}
