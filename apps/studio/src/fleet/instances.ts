import type { AdminStatus, FleetStatus } from '@comfy-fleet/client';
import { since } from '../parts/format.js';

type Known = FleetStatus['workers'][number]['instances'][number];

/** An instance's state as reported, refined by what runs on it and by drains. */
export type State = Known['state'] | 'running' | 'draining' | 'drained' | 'stopping' | 'gone';

export interface Instance {
  readonly name: string;
  readonly state: State;
  /** Why it is in this state, if worth showing. */
  readonly reason: string | undefined;
  /** An operator has drained it. */
  readonly isDrained: boolean;
  /** As its worker reports it; undefined if the worker is not running. */
  readonly known: Known | undefined;
}

/** All instances by name: those of running workers, and those that are gone but ran recently or are drained. */
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

/** Whether the instance itself can take jobs. */
export function isUp({ state }: Pick<Instance, 'state'>): boolean {
  return state === 'up' || state === 'occupied' || state === 'running';
}

/** How long it has been in its state at `at` (ms since 1970). For an instance that is up, how long it has been up. */
export function timeInState(instance: Instance, at: number): string {
  const { known } = instance;
  if (known === undefined) return '';
  if (known.drain !== null && known.state === 'up') return `for ${since(known.drain.since, at)}`;
  return `${isUp(instance) && known.state !== 'occupied' ? 'up ' : ''}for ${since(known.since, at)}`;
}

function isBad({ state }: Pick<Instance, 'state'>): boolean {
  return state === 'down' || state === 'wedged' || state === 'resting' || state === 'gone';
}

/** At most `most` instances in their order. If there are more, those in trouble come first. */
export function mostUrgent(instances: readonly Instance[], most: number): readonly Instance[] {
  if (instances.length <= most) return instances;
  return [...instances.filter(isBad), ...instances.filter((one) => !isBad(one))].slice(0, most);
}

/** The words of the glossary; an instance that is up without a job is idle. */
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
