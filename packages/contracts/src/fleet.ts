import type { ErrorCode } from './errors.js';

/** Names of pools. They are part of Redis keys and typed by operators, so they are short and plain. */
export const POOL_PATTERN = '^[a-z0-9][a-z0-9-]{0,31}$';

/** The pool of jobs whose workflow and profile name none, and of workers without a setting. */
export const DEFAULT_POOL = 'default';

/**
 * What an instance can do: its node classes, each with the inputs that offer options (checkpoints, samplers,
 * schedulers, LoRAs, …) and these options.
 */
export type Abilities = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** The abilities of one instance, as it reported them at `seenAt` (ms since 1970). */
export interface InstanceAbilities {
  readonly instance: string;
  readonly seenAt: number;
  readonly abilities: Abilities;
}

/**
 * The state of an instance. `unknown`: not asked yet; `down`: unreachable; `wedged`: a prompt there ignores interrupts;
 * `resting`: too many jobs failed there; `warming`: it runs a warm-up first; `occupied`: it executes a prompt that
 * belongs to no job, and only gets jobs that no other instance can run; `up`: it gets work.
 */
export const INSTANCE_STATES = ['up', 'occupied', 'down', 'resting', 'wedged', 'warming', 'unknown'] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

/** Whether the instance works. An occupied one counts as busy, not as missing. */
export function isInService({ state }: { readonly state: InstanceState }): boolean {
  return state === 'up' || state === 'occupied';
}

/** Work that an instance is not given for a while because it failed recently. */
export interface InstanceRest {
  /** An absent field means any; without fields it is all work. */
  readonly scope: { readonly key?: string; readonly workflow?: string; readonly checkpoint?: string };
  /** When a trial job is due, in ms since 1970; with the code `instance_killed`, when the rest ends. */
  readonly until: number;
  /** How many rests in a row. */
  readonly count: number;
  /** Code of the last error. */
  readonly code: ErrorCode;
  readonly error: string;
}

/** What is unsafe about an instance and how to fix it, as two clauses. */
export interface InstanceExposure {
  readonly what: string;
  readonly fix: string;
}

export const ENCODE_AHEAD_STATES = ['on', 'trial', 'off'] as const;
/**
 * Why texts are not encoded ahead. `cache_mode`: ComfyUI keeps results of the last prompt only; `no_effect`: texts
 * that were encoded ahead were encoded again; `fits`: new texts take hardly longer than cached ones.
 */
export const ENCODE_AHEAD_OFF = ['setting', 'cache_mode', 'no_preview_any', 'no_effect', 'fits', 'unknown'] as const;
export type EncodeAheadOff = (typeof ENCODE_AHEAD_OFF)[number];

/**
 * Whether an instance encodes the texts of waiting jobs ahead, and what that saves per job. `trial`: new texts take
 * long, and how long cached ones take is unknown. `text` says the same to people.
 */
export type EncodeAhead = { readonly text: string } & (
  | { readonly state: 'on'; readonly savesMs: number }
  | { readonly state: 'trial' }
  | { readonly state: 'off'; readonly why: EncodeAheadOff }
);

/** Memory in bytes as ComfyUI reports it; null if it does not. */
export interface Memory {
  readonly total: number | null;
  readonly free: number | null;
}

/** The machine of an instance, from its last report. */
export interface InstanceMachine {
  /** Memory of the machine, used by all its processes. */
  readonly ram: Memory;
  /** Its largest device; null if it has none. */
  readonly device: {
    readonly name: string;
    /** `cuda`, `cpu`, `mps`, … */
    readonly type: string;
    readonly vram: Memory;
    /** The part that PyTorch has reserved. */
    readonly torch: Memory;
  } | null;
}

/** A worker's announcement of one of its ComfyUI instances. */
export interface InstanceAnnouncement {
  /**
   * `<worker>/<n>`, or the name from the settings after the slash; never a URL, because a loopback URL is another
   * server on every node.
   */
  readonly name: string;
  /** The pools whose jobs it takes; at least one. */
  readonly pools: readonly string[];
  readonly state: InstanceState;
  /** When it entered that state, in ms since 1970. */
  readonly since: number;
  /** Why it is not up, for people. */
  readonly reason: string | null;
  /** Work that it is not given, or only as a trial. */
  readonly rests: readonly InstanceRest[];
  /** Memory of its largest device in bytes; 0 while unknown. */
  readonly vram: number;
  /** Absent while unknown. */
  readonly machine?: InstanceMachine;
  /** Its worker knows that an operator drains it. Without jobs it is drained. */
  readonly drains: boolean;
  /** The running job, and since when (ms since 1970). */
  readonly running: { readonly job: string; readonly since: number } | null;
  /** Ids of the jobs in its queue, or on their way there. */
  readonly waiting: readonly string[];
  /** Ids of the jobs whose outputs are being collected. */
  readonly collecting: readonly string[];
  /** The share of the last minute in which it executed, 0 to 1. */
  readonly busyShare: number;
  /** Jobs that succeeded and failed on it since its worker started. */
  readonly done: number;
  readonly failed: number;
  /** The checkpoint that it loaded last and should still have in memory. */
  readonly checkpoint: string | null;
  /** The model files that it holds as far as we know, the last used first. */
  readonly models: readonly string[];
  /** Whether the worker deletes files of jobs in its output and input folders. */
  readonly cleansOutputs: boolean;
  readonly cleansInputs: boolean;
  /** What would let a hostile graph reach other people's files there. */
  readonly exposures: readonly InstanceExposure[];
  /** How many ms executions on it lately took on average, by the signature of the job, without loading models. */
  readonly paces?: Readonly<Record<string, number>>;
  /** Absent in announcements of workers of an older version. */
  readonly encodeAhead?: EncodeAhead;
}

/** A worker's announcement, which it repeats; it expires when the worker stops doing so. */
export interface WorkerAnnouncement {
  readonly name: string;
  readonly startedAt: number;
  readonly seenAt: number;
  /** The pools of all its instances. */
  readonly pools: readonly string[];
  readonly draining: boolean;
  /**
   * Set while the worker claims no jobs because it cannot store outputs: the reason, and since when (ms since 1970).
   * Otherwise null.
   */
  readonly storeFault: { readonly reason: string; readonly since: number } | null;
  /** Ports of the worker's instances and services. Callers' URLs may not use them on private hosts. */
  readonly ports: readonly number[];
  readonly instances: readonly InstanceAnnouncement[];
}
