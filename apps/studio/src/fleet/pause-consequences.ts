import type { AdminStatus, FleetStatus } from '@comfy-fleet/client';
import { count, list } from '../parts/format.js';
import { type Instance, isUp } from './instances.js';

/** What an operator is about to pause, drain or resume. */
export type Target =
  | { readonly kind: 'fleet' }
  | { readonly kind: 'pool'; readonly name: string }
  | { readonly kind: 'instance'; readonly name: string };

export interface Change {
  readonly action: 'pause' | 'resume';
  readonly target: Target;
}

/** The fleet at one moment. */
export interface FleetSnapshot {
  readonly status: FleetStatus;
  readonly halts: AdminStatus;
  readonly instances: readonly Instance[];
}

/** The name of the change on buttons and in the dialog. */
export function nameOf({ action, target }: Change): string {
  if (target.kind === 'instance') return `${action === 'pause' ? 'Drain' : 'Resume'} ${target.name}`;
  const what = target.kind === 'fleet' ? 'the fleet' : `the pool ${target.name}`;
  return `${action === 'pause' ? 'Pause' : 'Resume'} ${what}`;
}

/** Sentences that say what the change does and does not do. */
export function consequencesOf({ action, target }: Change, snapshot: FleetSnapshot): readonly string[] {
  if (target.kind === 'instance') {
    return action === 'pause' ? drained(target.name, snapshot) : resumedInstance(target.name, snapshot);
  }
  const pool = target.kind === 'pool' ? target.name : undefined;
  return action === 'pause' ? paused(pool, snapshot) : resumed(pool, snapshot);
}

function paused(pool: string | undefined, snapshot: FleetSnapshot): string[] {
  const { waiting, running, behind } = numbersOf(pool, snapshot);
  return [
    waiting === 0
      ? 'No job waits. New ones are accepted and wait until you resume.'
      : `${count(waiting, 'job waits', 'jobs wait')} and will keep waiting until you resume. New ones are accepted and wait too.`,
    running === 0 ? 'Nothing is running.' : `${count(running, 'running job')} will be finished.`,
    ...(behind === 0 ? [] : [`${count(behind, 'job')} queued behind them in a ComfyUI will return to the queue.`]),
    'A job expires if its start deadline passes meanwhile.',
    'The pause lasts until you resume, even after a restart.',
  ];
}

function resumed(pool: string | undefined, snapshot: FleetSnapshot): string[] {
  const { waiting, up } = numbersOf(pool, snapshot);
  const { halts } = snapshot;
  const pools = halts.pools.map(({ name }) => name);
  const drains = halts.instances.map(({ name }) => name);
  return [
    waiting === 0 ? 'No job waits.' : `${count(waiting, 'job waits', 'jobs wait')}.`,
    up === 0 ? 'No instance is up to take jobs.' : `${count(up, 'instance takes', 'instances take')} jobs at once.`,
    ...(pool === undefined && pools.length > 0 ? [`Still paused separately: the pool ${list(pools)}.`] : []),
    ...(pool !== undefined && halts.paused !== null ? [FLEET_IS_PAUSED] : []),
    ...(drains.length > 0 ? [`Still drained: ${list(drains)}.`] : []),
  ];
}

function drained(name: string, { status, instances }: FleetSnapshot): string[] {
  const known = instances.find((one) => one.name === name)?.known;
  const waiting = known?.waiting.length ?? 0;
  return [
    known?.running == null ? 'Nothing is running on it.' : 'The job running on it will be finished.',
    ...(waiting === 0 ? [] : [`${count(waiting, 'job')} queued behind it will go to other instances.`]),
    ...(known?.pools ?? []).map((pool) => othersOf(pool, name, status, instances)),
    'Once its state is “drained”, you can stop its ComfyUI.',
    'It gets no jobs until you resume it, even after a restart.',
  ];
}

function othersOf(pool: string, name: string, { pools }: FleetStatus, instances: readonly Instance[]): string {
  const others = instances.filter((one) => one.name !== name && isUp(one) && one.known?.pools.includes(pool)).length;
  const waiting = pools.find((one) => one.name === pool)?.waiting ?? 0;
  const wait = waiting === 0 ? 'No job waits' : count(waiting, 'job waits', 'jobs wait');
  return others === 0
    ? `${wait} in the pool ${pool}, and no other instance of it is up: its jobs will not run.`
    : `${wait} in the pool ${pool}, which has ${count(others, 'other instance')} up.`;
}

function resumedInstance(name: string, { status, instances }: FleetSnapshot): string[] {
  const known = instances.find((one) => one.name === name)?.known;
  if (known === undefined) return ['Its worker is not running. When it starts, the instance takes jobs.'];
  const waiting = status.pools.filter((pool) => known.pools.includes(pool.name)).map((pool) => pool.waiting);
  return [
    known.state === 'up'
      ? 'It takes jobs again at once.'
      : `It takes jobs again when it is up; it is now ${known.state}.`,
    `${count(sum(waiting), 'job waits', 'jobs wait')} for ${list(known.pools)}.`,
    ...(status.paused === null ? [] : [FLEET_IS_PAUSED]),
  ];
}

const FLEET_IS_PAUSED = 'The whole fleet is paused too: nothing starts until you resume it.';

function numbersOf(pool: string | undefined, { status, instances }: FleetSnapshot) {
  const pools = status.pools.filter(({ name }) => pool === undefined || name === pool);
  const there = instances.filter(({ known }) => pool === undefined || known?.pools.includes(pool));
  return {
    waiting: sum(pools.map((one) => one.waiting)),
    running: sum(pools.map((one) => one.running)),
    behind: sum(there.map(({ known }) => known?.waiting.length ?? 0)),
    up: there.filter(isUp).length,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
