import type { ErrorCode } from './errors.js';

/** A pool of alike instances: part of a Redis key and of the names that operators write, so short and plain. */
export const POOL_PATTERN = '^[a-z0-9][a-z0-9-]{0,31}$';

/** Where a job goes whose workflow and profile name no pool, and what a worker serves unless it is told otherwise. */
export const DEFAULT_POOL = 'default';

/**
 * What an instance can do, of what the workflows ask for: the node classes it has, each with those of its inputs that are
 * choices (checkpoints, samplers, schedulers, LoRAs, …) and what there is to choose from.
 */
export type Abilities = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** What one instance, by name, said it can do when it was last seen (ms since 1970). */
export interface InstanceAbilities {
  readonly instance: string;
  readonly seenAt: number;
  readonly abilities: Abilities;
}

/**
 * How an instance stands. `unknown`: not asked yet; `down`: out of reach; `wedged`: something in it cannot be stopped;
 * `resting`: it failed too much of what it was given; `warming`: it runs a warm-up first; `occupied`: it executes a prompt
 * that belongs to no job, and is given only jobs that no other instance can run; `up`: it is given work.
 */
export const INSTANCE_STATES = ['up', 'occupied', 'down', 'resting', 'wedged', 'warming', 'unknown'] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

/** Whether the instance works. An occupied one counts as busy, not as missing. */
export function isInService({ state }: { readonly state: InstanceState }): boolean {
  return state === 'up' || state === 'occupied';
}

/** Work that an instance is not given for a while, since it failed of late. */
export interface InstanceRest {
  /** What is absent is any: all of its work when everything is. */
  readonly scope: { readonly key?: string; readonly workflow?: string; readonly checkpoint?: string };
  /** ms since 1970 at which it is due to be tried with one job; with the code `instance_killed`, at which it is over. */
  readonly until: number;
  /** How many in a row. */
  readonly count: number;
  /** Code of the error that was the last reason. */
  readonly code: ErrorCode;
  readonly error: string;
}

/** What is unsafe about an instance, and what to do about it: two clauses. */
export interface InstanceExposure {
  readonly what: string;
  readonly fix: string;
}

/** Memory in bytes, as a ComfyUI reports it; null: it does not. */
export interface Memory {
  readonly total: number | null;
  readonly free: number | null;
}

/** What an instance reported last of the machine it runs on. */
export interface InstanceMachine {
  /** Of all processes on the machine. */
  readonly ram: Memory;
  /** Its largest device; null: it has none. */
  readonly device: {
    readonly name: string;
    /** `cuda`, `cpu`, `mps`, … */
    readonly type: string;
    readonly vram: Memory;
    /** The part that PyTorch has reserved. */
    readonly torch: Memory;
  } | null;
}

/** What a worker says about one of its ComfyUI instances. */
export interface InstanceAnnouncement {
  /** `<worker>/<n>`, or the name that it was given after the slash; never a URL: a loopback URL is another server on every node. */
  readonly name: string;
  /** Whose jobs it takes; at least one. */
  readonly pools: readonly string[];
  readonly state: InstanceState;
  /** ms since 1970 at which it came into that state. */
  readonly since: number;
  /** Why it is not up, for people. */
  readonly reason: string | null;
  /** What it is not given, or only for a trial. */
  readonly rests: readonly InstanceRest[];
  /** Memory of its largest device in bytes; 0 while unknown. */
  readonly vram: number;
  /** Absent while unknown. */
  readonly machine?: InstanceMachine;
  /** Its worker has heard that it is to be given no more prompts: with no job left it is drained. */
  readonly drains: boolean;
  /** What it executes, and since when (ms since 1970). */
  readonly running: { readonly job: string; readonly since: number } | null;
  /** Ids of the jobs in its queue, or on their way there. */
  readonly waiting: readonly string[];
  /** Ids of the jobs whose pictures are being fetched. */
  readonly collecting: readonly string[];
  /** Share of the last minute in which it executed, 0 to 1. */
  readonly busyShare: number;
  /** Jobs that succeeded and failed on it since its worker started. */
  readonly done: number;
  readonly failed: number;
  /** The checkpoint that it loaded last and should still have in memory. */
  readonly checkpoint: string | null;
  /** The model files that it holds as far as we know, the one used last first. */
  readonly models: readonly string[];
  /** Whether the worker deletes what jobs leave in its output and input folders. */
  readonly cleansOutputs: boolean;
  readonly cleansInputs: boolean;
  /** What would let a hostile graph reach the files of others there. */
  readonly exposures: readonly InstanceExposure[];
}

/** What a worker process announces about itself, again and again; it vanishes when the worker stops doing so. */
export interface WorkerAnnouncement {
  readonly name: string;
  readonly startedAt: number;
  readonly seenAt: number;
  /** All that any of its instances serves. */
  readonly pools: readonly string[];
  readonly draining: boolean;
  /** Why it claims nothing: it cannot store pictures, since (ms since 1970); null while it can. */
  readonly storeFault: { readonly reason: string; readonly since: number } | null;
  /** Ports of the worker's instances and services. Callers' URLs may not name them on private hosts. */
  readonly ports: readonly number[];
  readonly instances: readonly InstanceAnnouncement[];
}
