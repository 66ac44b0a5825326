import { createRandom, type Random } from '../../lib/random.js';
import { CHAOS } from '../chaos/settings.js';
import { type Caller, makeCallers } from './callers.js';
import { type PlannedCallback, planCallback } from './plan-callback.js';

/** When a job is canceled; a number: so many ms after it was accepted. */
export type CancelMoment = 'running' | 'finished' | number;

export interface PlannedJob {
  /** Names the job in its metadata, so that one whose answer was lost can be found. */
  readonly tag: string;
  readonly path: '/generate' | '/img2img';
  readonly body: Readonly<Record<string, unknown>>;
  /** Number of the uploaded picture, for img2img. */
  readonly picture: number | undefined;
  /** Since the job before it. */
  readonly afterMs: number;
  readonly cancel: { readonly when: CancelMoment; readonly times: number } | undefined;
  /** Whose key its requests carry. */
  readonly caller: Caller;
  /** Its Idempotency-Key, and how many posts carry it at the same time; undefined: one post, without. */
  readonly repeats: { readonly key: string; readonly posts: number } | undefined;
  readonly callback: PlannedCallback;
}

export interface PlannedKill {
  readonly afterMs: number;
  readonly process: string;
  /** From its end to its new start. */
  readonly downMs: number;
}

export interface PlannedFault {
  readonly afterMs: number;
  readonly simulator: string;
  readonly fault: Readonly<Record<string, unknown>> & { readonly kind: string };
}

/** A GPU that is sick; see sickness.ts. */
export interface PlannedSickness {
  /** Since the first job. */
  readonly afterMs: number;
  readonly simulator: string;
  readonly kind: 'cuda_error' | 'deaf_hang';
  /** Until it comes right by itself, if it does. */
  readonly forMs: number;
}

/** Everything that a run decides. */
export interface Plan {
  readonly seed: number;
  readonly callers: readonly Caller[];
  readonly jobs: readonly PlannedJob[];
  readonly kills: readonly PlannedKill[];
  readonly faults: readonly PlannedFault[];
  readonly sicknesses: readonly PlannedSickness[];
  /** From the first job to the end of the kills. */
  readonly lengthMs: number;
}

export const PICTURES = 4;
/** Kills go on this long after the last job was posted. */
const TAIL_MS = 4000;

export const workerNames = Array.from({ length: CHAOS.workers }, (_, n) => `worker${n + 1}`);
/** In the order of their workers: worker1 has the first two, and so on. A simulator is named as its instance is. */
export const simulatorNames = workerNames.flatMap((worker) =>
  Array.from({ length: CHAOS.simulatorsPerWorker }, (_, n) => `${worker}/${n + 1}`),
);
export const dispatcherNames = Array.from({ length: CHAOS.dispatchers }, (_, n) => `dispatcher${n + 1}`);

export function makePlan(seed: number, count: number): Plan {
  const callers = makeCallers(createRandom(seed, 4));
  const random = { ofJobs: createRandom(seed, 0), ofOrders: createRandom(seed, 5), ofCallbacks: createRandom(seed, 6) };
  const jobs = Array.from({ length: count }, (_, n) => ({
    ...planJob(random.ofJobs, n),
    // In turn, and each pair with the same Idempotency-Key: that one caller used it is nothing to the other.
    caller: callers[n % callers.length] as Caller,
    repeats: planRepeats(random.ofOrders, `order-${Math.floor(n / callers.length)}`),
    callback: planCallback(random.ofCallbacks),
  }));
  const lengthMs = jobs.reduce((sum, { afterMs }) => sum + afterMs, TAIL_MS);
  return {
    seed,
    callers,
    jobs,
    kills: fill(lengthMs, createRandom(seed, 1), planKill),
    faults: fill(lengthMs, createRandom(seed, 2), planFault),
    sicknesses: planSicknesses(createRandom(seed, 7), lengthMs),
    lengthMs,
  };
}

function fill<T extends { afterMs: number }>(lengthMs: number, random: Random, draw: (random: Random) => T): T[] {
  const drawn: T[] = [];
  for (let at = 0; ; ) {
    const next = draw(random);
    at += next.afterMs;
    if (at >= lengthMs) return drawn;
    drawn.push(next);
  }
}

type Drawn = Omit<PlannedJob, 'caller' | 'repeats' | 'callback'>;

function planJob(random: Random, n: number): Drawn {
  const tag = `${n}`;
  const lod = random.weighted({ sketch: 5, mid: 3, final: 2, direct_final: 1 });
  const picture = random.chance(20) ? random.int(0, PICTURES - 1) : undefined;
  const size = () => 8 * random.int(8, 16);
  const body = {
    prompt: `chaos ${tag}: ${random.pick(['a lighthouse', 'a street', 'two hills', 'a heron', 'an old key'])}`,
    lod,
    seed: random.int(0, 1_000_000),
    count: random.chance(15) ? random.int(2, 3) : 1,
    priority: random.chance(10) ? random.int(-2, 2) : 0,
    metadata: { chaos: tag },
    width: size(),
    height: size(),
  };
  return {
    tag,
    path: picture === undefined ? '/generate' : '/img2img',
    body,
    picture,
    afterMs: random.chance(30) ? 0 : random.int(50, 650),
    cancel: random.chance(20) ? planCancel(random) : undefined,
  };
}

function planRepeats(random: Random, key: string): PlannedJob['repeats'] {
  const posts = Number(random.weighted({ 1: 6, 2: 2, 3: 1 }));
  return random.chance(60) ? { key, posts } : undefined;
}

function planCancel(random: Random): PlannedJob['cancel'] {
  const moment = random.weighted({ soon: 3, later: 3, running: 5, finished: 1 });
  const when = moment === 'soon' ? random.int(0, 100) : moment === 'later' ? random.int(100, 4000) : moment;
  return { when, times: random.chance(25) ? 2 : 1 };
}

const NAMES = {
  redis: ['redis'],
  api: ['api'],
  worker: workerNames,
  simulator: simulatorNames,
  dispatcher: dispatcherNames,
} as const;

function planKill(random: Random): PlannedKill {
  const role = random.weighted({ redis: 2, api: 2, worker: 5, simulator: 5, dispatcher: 4 });
  // Some workers stay away for longer than their submissions are left to them.
  const long = role === 'worker' && random.chance(15);
  return {
    afterMs: random.int(1000, 3000),
    process: random.pick(NAMES[role]),
    downMs: long ? CHAOS.adoptWaitSeconds * 1000 + random.int(500, 3000) : random.int(0, 800),
  };
}

/** One GPU of each kind, early enough that jobs come to it. */
function planSicknesses(random: Random, lengthMs: number): PlannedSickness[] {
  const first = random.int(0, simulatorNames.length - 1);
  const other = (first + random.int(1, simulatorNames.length - 1)) % simulatorNames.length;
  const early = () => Math.round((lengthMs * random.int(5, 50)) / 100);
  return [
    { afterMs: early(), simulator: simulatorNames[first] as string, kind: 'cuda_error', forMs: random.int(3000, 8000) },
    { afterMs: early(), simulator: simulatorNames[other] as string, kind: 'deaf_hang', forMs: 0 },
  ];
}

const FAULTS = {
  silent_socket: 4,
  error_after_accepting: 4,
  reset_before_accepting: 3,
  reset_after_accepting: 4,
  slow_view: 4,
  out_of_memory: 2,
  lost_history: 3,
  node_error: 1,
  hang: 1,
} as const;

function planFault(random: Random): PlannedFault {
  const kind = random.weighted(FAULTS);
  const more =
    kind === 'slow_view'
      ? { ms: random.int(100, 1500), bytes_per_second: random.int(5, 50) * 1000 }
      : kind === 'out_of_memory'
        ? { cleared_by_free: random.chance(50) }
        : {};
  return {
    afterMs: random.int(300, 1500),
    simulator: random.pick(simulatorNames),
    fault: { kind, times: 1, ...more },
  };
}
