import type { AdminStatus, FleetStatus } from '@comfy-fleet/client';
import { since } from '../parts/format.js';

type Known = FleetStatus['workers'][number]['instances'][number];

/** An instance's state, and what an operator or its worker made of it. */
export type State = Known['state'] | 'running' | 'draining' | 'drained' | 'stopping' | 'gone';

export interface Instance {
  readonly name: string;
  readonly state: State;
  /** Why it is in that state, where that is worth saying. */
  readonly reason: string | undefined;
  /** An operator has it be given no more prompts. */
  readonly isDrained: boolean;
  /** As its worker tells of it; undefined: its worker is not there. */
  readonly known: Known | undefined;
}

/** Those that the fleet has, and those that it had lately or that somebody drained and that are gone; by name. */
export function instancesOf(
  { workers }: Pick<FleetStatus, 'workers'>,
  halts: Pick<AdminStatus, 'instances'>,
  ran: readonly string[],
): readonly Instance[] {
  const present = workers.flatMap((worker) => worker.instances.map((known) => presentOf(known, worker)));
  const names = new Set(present.map(({ name }) => name));
  const drained = new Set(halts.instances.map(({ name }) => name));
  const gone = [...new Set([...drained, ...ran])]
    .filter((name) => !names.has(name))
    .map((name) => ({
      name,
      state: 'gone' as const,
      reason: 'Its worker is not running.',
      isDrained: drained.has(name),
      known: undefined,
    }));
  return [...present, ...gone].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

function presentOf(known: Known, worker: FleetStatus['workers'][number]): Instance {
  const { name, drain, running } = known;
  const whole = known.rests.find(({ workflow, checkpoint, one_key }) => !workflow && !checkpoint && !one_key);
  const reason = known.reason ?? whole?.error ?? worker.storage_fault?.reason;
  const base = { name, reason, isDrained: drain !== null, known };
  if (known.state !== 'up' && known.state !== 'occupied') return { ...base, state: known.state };
  if (drain !== null) return { ...base, state: drain.state };
  if (worker.draining) return { ...base, state: 'stopping', reason: 'Its worker is stopping and takes no more jobs.' };
  return { ...base, state: running === null ? known.state : 'running' };
}

/** Whether it takes jobs, as far as it is concerned. */
export function isUp({ state }: Pick<Instance, 'state'>): boolean {
  return state === 'up' || state === 'occupied' || state === 'running';
}

/** For how long it has been in its state, at `at` (ms since 1970). What is known of an idle instance is since when it is up. */
export function howLong(instance: Instance, at: number): string {
  const { known } = instance;
  if (known === undefined) return '';
  if (known.drain !== null && known.state === 'up') return `for ${since(known.drain.since, at)}`;
  return `${isUp(instance) && known.state !== 'occupied' ? 'up ' : ''}for ${since(known.since, at)}`;
}

function isBad({ state }: Pick<Instance, 'state'>): boolean {
  return state === 'down' || state === 'wedged' || state === 'resting' || state === 'gone';
}

/** At most so many, in their order; where there are more, those first with which something is wrong. */
export function foremost(instances: readonly Instance[], most: number): readonly Instance[] {
  if (instances.length <= most) return instances;
  return [...instances.filter(isBad), ...instances.filter((one) => !isBad(one))].slice(0, most);
}

/** As the glossary has it; what takes jobs and has none is idle. */
export const STATE_WORDS: Readonly<Record<State, string>> = {
  up: 'idle',
  occupied: 'occupied',
  running: 'running',
  down: 'down',
  resting: 'resting',
  wedged: 'wedged',
  warming: 'warming up',
  unknown: 'not asked yet',
  draining: 'draining',
  drained: 'drained',
  stopping: 'stopping',
  gone: 'gone',
};
