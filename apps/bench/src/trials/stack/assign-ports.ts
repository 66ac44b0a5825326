import { join } from 'node:path';
import { type AppStart, apiOn, dispatcherOn, freePort, simulatorOn, workerOn } from '@comfy-fleet/testing';
import type { StackNames } from './names.js';

/** Gives each process ports that it keeps through all its lives, and each worker its simulators; all by name. */
export async function assignPorts(names: StackNames, dir: string): Promise<ReadonlyMap<string, AppStart>> {
  const starts = new Map<string, AppStart>();
  for (const name of names.simulators) {
    starts.set(name, simulatorOn(await freePort(), { dir: join(dir, name), journal: journalOf(name, dir) }));
  }
  for (const name of names.apis) starts.set(name, apiOn(await freePort(), await freePort()));
  for (const name of names.workers) {
    const own = names.simulators.filter((simulator) => simulator.startsWith(`${name}/`));
    const urls = own.flatMap((simulator) => starts.get(simulator)?.url ?? []);
    starts.set(name, workerOn(await freePort(), name, urls));
  }
  for (const name of names.dispatchers) starts.set(name, dispatcherOn(await freePort()));
  return starts;
}

/** The file in which a simulator notes what it executes. */
export function journalOf(simulator: string, dir: string): string {
  return join(dir, `${simulator.replace('/', '-')}.journal.jsonl`);
}
