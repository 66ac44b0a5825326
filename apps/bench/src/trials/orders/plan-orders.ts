import type { ApiKeysFile, OutputKind, WebhookEvent } from '@comfy-fleet/contracts';
import sharp from 'sharp';
import { apiKeyOf, keyEntry, NO_LIMIT } from '../../lib/api-keys.js';
import { createRandom, type Random } from '../../lib/random.js';

/** When a job is canceled: in a state, or a number of ms after it was accepted. */
export type CancelMoment = 'running' | 'finished' | number;

export interface PlannedJob {
  /** Identifies the job in its metadata, even if its answer was lost. */
  readonly tag: string;
  /** `/generate`, `/img2img`, `/workflows/<name>`. */
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The number of the uploaded picture, for img2img. */
  readonly picture: number | undefined;
  /** Its outputs if it succeeds, in any order. */
  readonly outputs: readonly OutputKind[];
  /** The time since the previous job. */
  readonly afterMs: number;
  readonly cancel: { readonly when: CancelMoment; readonly times: number } | undefined;
  /** The caller whose key its requests send. */
  readonly caller: Caller;
  /** Its Idempotency-Key and the number of simultaneous posts; undefined for a single post without a key. */
  readonly repeats: { readonly key: string; readonly posts: number } | undefined;
  readonly callback: PlannedCallback;
}

/** The orders of a run and their callers. */
export interface PlannedOrders {
  readonly callers: readonly Caller[];
  readonly jobs: readonly PlannedJob[];
}

const PICTURES = 4;

export function planOrders(seed: number, count: number): PlannedOrders {
  const callers = makeCallers(createRandom(seed, 4));
  const random = { ofJobs: createRandom(seed, 0), ofOrders: createRandom(seed, 5), ofCallbacks: createRandom(seed, 6) };
  const jobs = Array.from({ length: count }, (_, n) => ({
    ...planJob(random.ofJobs, n),
    // Callers order in turn, each pair with the same Idempotency-Key, which must not collide.
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

/** The receiver's answer to one call: a status, `reset` (the connection is reset) or `hang` (no answer). */
export type ReceiverAnswer =
  | { readonly status: number; readonly delayMs?: number; readonly retryAfterSeconds?: number }
  | 'reset'
  | 'hang';

/** The webhook of a job, and how its receiver answers. */
export interface PlannedCallback {
  /** Which field of the request is used: `webhook`, or the shorter `webhook_url`. */
  readonly form: 'webhook' | 'webhook_url';
  /** A secret of the job, in place of those of its key. */
  readonly secret: string | undefined;
  /** The events to notify; undefined for all. */
  readonly events: readonly WebhookEvent[] | undefined;
  /** The answers to its calls, one after the other. The last one, a 2xx or a 410, is repeated. */
  readonly answers: readonly ReceiverAnswer[];
  /**
   * Kills all dispatchers this many ms after the receiver has begun the last answer for the first time, so that they do
   * not get or do not record the result. Undefined for no kill.
   */
  readonly killAfterMs: number | undefined;
}

const MOST_FAILURES = 4;
const GONE: ReceiverAnswer = { status: 410 };
/** Per cent of jobs. */
const KILLS = 3;
const LATEST_KILL_MS = 6;
/** The weight of each kind of answer. The first two are final. */
const KINDS = { taken: 55, slow: 8, error: 13, busy: 9, reset: 9, hang: 6 } as const;

function planCallback(random: Random): PlannedCallback {
  const isOwn = random.chance(25);
  const isPicky = random.chance(10);
  return {
    form: isOwn || isPicky || random.chance(50) ? 'webhook' : 'webhook_url',
    secret: isOwn ? makeSecret(random) : undefined,
    events: isPicky ? ['job.succeeded', 'job.expired'] : undefined,
    answers: planAnswers(random),
    killAfterMs: random.chance(KILLS) ? random.int(0, LATEST_KILL_MS) : undefined,
  };
}

function planAnswers(random: Random): ReceiverAnswer[] {
  const isGone = random.chance(6);
  const failures: ReceiverAnswer[] = [];
  while (failures.length < MOST_FAILURES) {
    const kind = random.weighted(KINDS);
    if (kind === 'taken' || kind === 'slow') return [...failures, isGone ? GONE : taken(random, kind)];
    failures.push(failure(kind));
  }
  return [...failures, isGone ? GONE : taken(random, 'taken')];
}

function taken(random: Random, kind: 'taken' | 'slow'): ReceiverAnswer {
  const status = random.pick([200, 200, 202, 204]);
  return kind === 'slow' ? { status, delayMs: random.int(200, 900) } : { status };
}

function failure(kind: 'error' | 'busy' | 'reset' | 'hang'): ReceiverAnswer {
  if (kind === 'error') return { status: 500 };
  return kind === 'busy' ? { status: 503, retryAfterSeconds: 1 } : kind;
}

/** The owner of an API key. */
export interface Caller {
  readonly id: string;
  /** The API key that requests send. */
  readonly key: string;
  /** The secrets that sign the webhooks of its jobs; two during a rotation. */
  readonly secrets: readonly string[];
  /** How many of its jobs may be claimed at a time. */
  readonly jobsRunning: number;
}

/** Fewer than the workers could claim, so that some jobs are held back. */
const FEW = 5;

function makeCallers(random: Random): readonly [Caller, Caller] {
  const caller = (id: string, secrets: number, jobsRunning: number) => ({
    id,
    key: apiKeyOf(bytes(random)),
    secrets: Array.from({ length: secrets }, () => makeSecret(random)),
    jobsRunning,
  });
  return [caller('steady', 1, NO_LIMIT), caller('rotating', 2, FEW)];
}

/** A secret in the form of Standard Webhooks. */
function makeSecret(random: Random): string {
  return `whsec_${bytes(random).toString('base64')}`;
}

/** The content of API_KEYS_FILE. */
export function keysFile(callers: readonly Caller[]): ApiKeysFile {
  return { keys: callers.map((caller) => keyEntry({ ...caller, scopes: ['jobs'] })) };
}

function bytes(random: Random): Buffer {
  return Buffer.from(Array.from({ length: 32 }, () => random.int(0, 255)));
}

/** Pictures for img2img as base64 of PNGs: bands of random colours. */
export async function makePictures(seed: number): Promise<string[]> {
  const random = createRandom(seed, 3);
  const pictures: string[] = [];
  for (let n = 0; n < PICTURES; n += 1) {
    const [width, height] = [8 * random.int(8, 16), 8 * random.int(8, 16)];
    const pixels = Buffer.alloc(width * height * 3);
    for (let band = 0; band < height; band += 8) {
      const colour = Buffer.from([random.int(0, 255), random.int(0, 255), random.int(0, 255)]);
      pixels.fill(colour, band * width * 3, Math.min(height, band + 8) * width * 3);
    }
    const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
    pictures.push(png.toString('base64'));
  }
  return pictures;
}
