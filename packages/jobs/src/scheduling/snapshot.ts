import type { InstanceFault } from '../record/record.js';

/** What the choice needs to know about a waiting job. */
export interface NearJob {
  readonly id: string;
  /** Orders the jobs of a key: level · 10^12 + how many of its jobs came before. */
  readonly sequence: number;
  /** Expected GPU time, in ms. */
  readonly expectedMs: number;
  /** The weight of its key when the job was created. */
  readonly weight: number;
  /** How many jobs its key may have in work. */
  readonly mostTaken: number;
  /** Instances on which it failed, possibly through their fault. */
  readonly failedOn: readonly string[];
  /** The idle instance that recalled it from the queue of another one. */
  readonly wantedBy: string | undefined;
  /** The signature of what it encodes before it samples. */
  readonly encoding: string | undefined;
}

/** An affinity queue: waiting jobs of a key with one level and the same models, first in, first out. */
export interface NearQueue {
  readonly name: string;
  readonly affinity: string;
  /** Its first jobs, at least one; behind them, jobs that encode the same as the instance's last prompt. */
  readonly jobs: readonly NearJob[];
  /** How many ms the instance would load models for them; -1 if it cannot run them, undefined if that is unknown. */
  readonly loadMs: number | undefined;
  /** Since when it, or its first job, is passed over for jobs that need less loading or encoding; undefined if it is not. */
  readonly passedOverAt: number | undefined;
}

export interface NearKey {
  readonly name: string;
  /** Its virtual time, and what its jobs in work count for. */
  readonly time: number;
  /** What one more job in work would count for, before it is divided by the weight. */
  readonly inWorkMs: number;
  /** How many of its jobs were claimed from the queues, or ended while they waited. */
  readonly removed: number;
  /** Jobs in work. */
  readonly inWork: number;
  readonly queues: readonly NearQueue[];
}

/** Supply of and demand for certain models in the pool. */
export interface Demand {
  /** How many other instances hold them. */
  readonly holders: number;
  /** How many jobs of all keys wait for them. */
  readonly waiting: number;
  /** The instances that may be able to run these jobs, among those to which an occupied instance leaves jobs. */
  readonly leftTo: readonly string[];
}

/** A job that a worker held before. It comes before all others. */
export interface ReturnedJob {
  readonly id: string;
  /** It may have a prompt in a ComfyUI, or is being canceled. Such jobs are handed out during a pause, too. */
  readonly begun: boolean;
}

/** The jobs that an instance may get, as they were at one moment. Times are ms since 1970 by Redis' clock. */
export interface NearSnapshot {
  readonly now: number;
  readonly paused: boolean;
  readonly returned: readonly ReturnedJob[];
  /** In the order of their virtual times. */
  readonly keys: readonly NearKey[];
  /** Where to continue reading; undefined if there are no more keys. */
  readonly next: number | undefined;
  /** Reading stopped because enough jobs without loading were found. */
  readonly isCut: boolean;
  /** When the instance last got a job for which it had to load models. */
  readonly loadedAt: number | undefined;
  /** When the delay of the next work item ends, by the workers' clock. */
  readonly returnsAt: number | undefined;
  /** By affinity key. Undefined until it is read, because only some choices depend on it. */
  readonly demand?: ReadonlyMap<string, Demand> | undefined;
}

/** The reply of lua/scheduling/near.lua. */
interface NearReply extends Omit<NearSnapshot, 'keys'> {
  readonly keys: readonly KeyReply[];
}
interface KeyReply extends Omit<NearKey, 'time' | 'queues'> {
  /** With all digits. */
  readonly time: string;
  readonly queues: readonly (Omit<NearQueue, 'jobs'> & { readonly jobs: readonly JobReply[] })[];
}
type JobReply = Omit<NearJob, 'failedOn' | 'mostTaken'> & { readonly mostTaken?: number; readonly faults?: string };

export function parseNear(text: string): NearSnapshot {
  const { returned, keys, ...reply } = JSON.parse(text) as NearReply;
  const parseKey = ({ time, queues, ...key }: KeyReply): NearKey => ({
    ...key,
    time: Number(time),
    queues: asList(queues).map((queue) => ({ ...queue, jobs: queue.jobs.map(parseJob) })),
  });
  return { ...reply, returned: asList(returned), keys: asList(keys).map(parseKey) };
}

function parseJob({ faults, mostTaken = Number.POSITIVE_INFINITY, ...job }: JobReply): NearJob {
  return { ...job, mostTaken, failedOn: instancesOf(faults) };
}

/** The reply of lua/scheduling/demand.lua for a list of affinity keys. */
export type DemandReply = readonly [
  waiting: readonly number[],
  ...instances: (readonly [name: string, loads: readonly (string | null)[]])[],
];

export function parseDemand(
  affinities: readonly string[],
  [waiting, ...instances]: DemandReply,
  { name, others = [] }: { readonly name: string; readonly others?: readonly string[] | undefined },
): Map<string, Demand> {
  const known = new Map(instances);
  known.delete(name);
  return new Map(
    affinities.map((affinity, n) => {
      const holders = [...known.values()].filter((loads) => loads[n] === '0').length;
      const leftTo = others.filter((other) => Number(known.get(other)?.[n] ?? 0) >= 0);
      return [affinity, { holders, waiting: waiting[n] ?? 1, leftTo }];
    }),
  );
}

/** The instances in a record's faults. */
export function instancesOf(faults: string | null | undefined): string[] {
  return faults == null ? [] : (JSON.parse(faults) as InstanceFault[]).map(({ instance }) => instance);
}

/** Lua encodes empty lists as objects. */
function asList<T>(values: readonly T[] | undefined): readonly T[] {
  return Array.isArray(values) ? values : [];
}

export function numberOrNone(text: string | null | undefined): number | undefined {
  return text == null ? undefined : Number(text);
}
