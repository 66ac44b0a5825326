import type { InstanceFault } from '../record/record.js';

/** A waiting job, as far as the choice needs to know it. */
export interface NearJob {
  readonly id: string;
  /** What orders the jobs of a key: level · 10^12 + how many of its jobs came before. */
  readonly sequence: number;
  /** What such a job costs a GPU, in ms. */
  readonly expectedMs: number;
  /** Of its key when it was made. */
  readonly weight: number;
  /** So many jobs its key may have in work. */
  readonly mostTaken: number;
  /** Instances on which it failed for what may be their fault. */
  readonly failedOn: readonly string[];
  /** The idle instance that had it taken out of the queue of another one. */
  readonly wantedBy: string | undefined;
}

/** Waiting jobs of a key that are of one level and need the same models, first in, first out. */
export interface NearQueue {
  readonly name: string;
  readonly affinity: string;
  /** Its first jobs, one at least. */
  readonly jobs: readonly NearJob[];
  /** How long the instance that asks would load for them; -1 when it cannot run them, undefined when that is not known. */
  readonly loadMs: number | undefined;
  /** When the first of them was passed over for one that needed less loading; undefined: none was. */
  readonly passedOverAt: number | undefined;
}

export interface NearKey {
  readonly name: string;
  /** Its virtual time. */
  readonly time: number;
  /** Of its jobs so many have been taken from among those that wait, or have ended there. */
  readonly removed: number;
  /** Jobs in workers' hands. */
  readonly inWork: number;
  readonly queues: readonly NearQueue[];
}

/** What there is of certain models in the pool. */
export interface Demand {
  /** Other instances that hold them. */
  readonly holders: number;
  /** Jobs of all keys that wait for them. */
  readonly waiting: number;
  /** Of the instances to which an occupied one leaves jobs, those that may be able to run these. */
  readonly leftTo: readonly string[];
}

/** A job that comes before all others: a worker has had it before. */
export interface ReturnedJob {
  readonly id: string;
  /** It may have a prompt in a ComfyUI, or is being canceled: it is handed out during a pause as well. */
  readonly begun: boolean;
}

/** What an instance may be given, as it was at one moment. Times are ms since 1970 by Redis' clock. */
export interface NearSnapshot {
  readonly now: number;
  readonly paused: boolean;
  readonly returned: readonly ReturnedJob[];
  /** In the order of their virtual times. */
  readonly keys: readonly NearKey[];
  /** Where to read on; undefined: there are no more keys. */
  readonly next: number | undefined;
  /** Reading ended where enough jobs were found for which the instance has nothing to load. */
  readonly isCut: boolean;
  /** So many jobs are to be chosen, in order: others who read the same queues may take the first ones. */
  readonly wanted: number;
  /** When the instance was last given a job for which it had to load. */
  readonly loadedAt: number | undefined;
  /** When the next work item has rested for its delay, by the clock of the workers. */
  readonly returnsAt: number | undefined;
  /** By affinity key; undefined: it was not read yet, as only some choices depend on it. */
  readonly demand?: ReadonlyMap<string, Demand> | undefined;
}

/** As Lua writes it: numbers may be texts, an empty list is an object, and what is absent is left out. */
interface NearReply extends Omit<NearSnapshot, 'now' | 'keys' | 'next' | 'isCut' | 'loadedAt' | 'returnsAt'> {
  readonly now: string;
  readonly keys: readonly KeyReply[];
  readonly next?: number;
  readonly is_cut?: boolean;
  readonly loaded_at?: string;
  readonly returns_at?: string;
}
interface KeyReply {
  readonly name: string;
  readonly time: string;
  readonly removed: number;
  readonly in_work: number;
  readonly queues: readonly QueueReply[];
}
interface QueueReply {
  readonly name: string;
  readonly affinity: string;
  readonly jobs: readonly JobReply[];
  readonly load_ms?: number;
  readonly passed_over_at?: string;
}
interface JobReply {
  readonly id: string;
  readonly sequence: string;
  readonly expected_ms: number;
  readonly weight?: string;
  readonly most_taken?: string;
  readonly faults?: string;
  readonly wanted_by?: string;
}

/** Reads what lua/scheduling/near.lua answers. */
export function parseNear(text: string): NearSnapshot {
  const { now, paused, returned, keys, next, wanted, ...reply } = JSON.parse(text) as NearReply;
  return {
    now: Number(now),
    paused,
    returned: asList(returned),
    keys: asList(keys).map(({ name, time, removed, in_work, queues }) => ({
      name,
      time: Number(time),
      removed,
      inWork: in_work,
      queues: asList(queues).map(parseQueue),
    })),
    next,
    isCut: reply.is_cut === true,
    wanted,
    loadedAt: numberOrNone(reply.loaded_at),
    returnsAt: numberOrNone(reply.returns_at),
  };
}

function parseQueue({ name, affinity, jobs, load_ms, passed_over_at }: QueueReply): NearQueue {
  return {
    name,
    affinity,
    jobs: asList(jobs).map(parseJob),
    loadMs: load_ms,
    passedOverAt: numberOrNone(passed_over_at),
  };
}

function parseJob({ id, sequence, expected_ms, weight = '1', most_taken, faults, wanted_by }: JobReply): NearJob {
  return {
    id,
    sequence: Number(sequence),
    expectedMs: expected_ms,
    weight: Number(weight),
    mostTaken: numberOrNone(most_taken) ?? Number.POSITIVE_INFINITY,
    failedOn: instancesOf(faults),
    wantedBy: wanted_by,
  };
}

/** As lua/scheduling/demand.lua answers, for a list of affinity keys. */
export type DemandReply = readonly [
  waiting: readonly number[],
  ...instances: (readonly [name: string, loads: readonly (string | null)[]])[],
];

export function parseDemand(
  affinities: readonly string[],
  [waiting, ...instances]: DemandReply,
  { name, others = [] }: { readonly name?: string | undefined; readonly others?: readonly string[] | undefined },
): Map<string, Demand> {
  const known = new Map(instances);
  known.delete(name ?? '');
  return new Map(
    affinities.map((affinity, n) => {
      const holders = [...known.values()].filter((loads) => loads[n] === '0').length;
      const leftTo = others.filter((other) => Number(known.get(other)?.[n] ?? 0) >= 0);
      return [affinity, { holders, waiting: waiting[n] ?? 1, leftTo }];
    }),
  );
}

/** The instances of a record's faults. */
export function instancesOf(faults: string | undefined): string[] {
  return faults === undefined ? [] : (JSON.parse(faults) as InstanceFault[]).map(({ instance }) => instance);
}

/** Lua's JSON has no empty lists: they are objects. */
export function asList<T>(values: readonly T[] | undefined): readonly T[] {
  return Array.isArray(values) ? values : [];
}

export function numberOrNone(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
