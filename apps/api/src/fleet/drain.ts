import type { Drain, InstanceAnnouncement } from '@comfy-fleet/contracts';
import type { Halt, Halts } from '@comfy-fleet/jobs';

/** How far an instance is that an operator is draining; null for one that takes jobs. */
export function drainOf(instance: InstanceAnnouncement, { instances }: Halts): Drain | null {
  const halt = instances.get(instance.name);
  if (halt === undefined) return null;
  const { drains, running, waiting, collecting } = instance;
  // Until its worker has heard of it, it may be about to be given a job.
  const isEmpty = drains && running === null && waiting.length === 0 && collecting.length === 0;
  return { state: isEmpty ? 'drained' : 'draining', ...presentHalt(halt) };
}

export function presentHalt({ since, by }: Halt): { since: string; by: string } {
  return { since: new Date(since).toISOString(), by };
}
