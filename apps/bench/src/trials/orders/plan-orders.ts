import type { OutputKind } from '@comfy-fleet/contracts';
import { createRandom, type Random } from '../../lib/random.js';
import { type Caller, makeCallers } from './callers.js';
import { type PlannedCallback, planCallback } from './plan-callback.js';

/** When a job is canceled; a number: so many ms after it was accepted. */
export type CancelMoment = 'running' | 'finished' | number;

export interface PlannedJob {
  /** Names the job in its metadata, so that one whose answer was lost can be found. */
  readonly tag: string;
  /** `/generate`, `/img2img`, `/workflows/<name>`. */
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Number of the uploaded picture, for img2img. */
  readonly picture: number | undefined;
  /** What it makes when it succeeds, in any order. */
  readonly outputs: readonly OutputKind[];
  /** Since the job before it. */
  readonly afterMs: number;
  readonly cancel: { readonly when: CancelMoment; readonly times: number } | undefined;
  /** Whose key its requests carry. */
  readonly caller: Caller;
  /** Its Idempotency-Key, and how many posts carry it at the same time; undefined: one post, without. */
  readonly repeats: { readonly key: string; readonly posts: number } | undefined;
  readonly callback: PlannedCallback;
}

/** What is ordered in a run, and by whom. */
export interface PlannedOrders {
  readonly callers: readonly Caller[];
  readonly jobs: readonly PlannedJob[];
}

export const PICTURES = 4;

export function planOrders(seed: number, count: number): PlannedOrders {
  const callers = makeCallers(createRandom(seed, 4));
  const random = { ofJobs: createRandom(seed, 0), ofOrders: createRandom(seed, 5), ofCallbacks: createRandom(seed, 6) };
  const jobs = Array.from({ length: count }, (_, n) => ({
    ...planJob(random.ofJobs, n),
    // In turn, and each pair with the same Idempotency-Key: that one caller used it is nothing to the other.
    caller: callers[n % callers.length] as Caller,
    repeats: planRepeats(random.ofOrders, `order-${Math.floor(n / callers.length)}`),
    callback: planCallback(random.ofCallbacks),
  }));
  return { callers, jobs };
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
    outputs: Array<OutputKind>(body.count).fill('image'),
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
