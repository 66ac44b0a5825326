import type { WebhookEvent } from '@comfy-fleet/contracts';
import type { Random } from '../../lib/random.js';
import { makeSecret } from './callers.js';

/** How the receiver takes one call: a status, or `reset` (the connection is cut) and `hang` (no answer at all). */
export type ReceiverAnswer =
  | { readonly status: number; readonly delayMs?: number; readonly retryAfterSeconds?: number }
  | 'reset'
  | 'hang';

/** Who is notified of a job's end, and how that one takes it. */
export interface PlannedCallback {
  /** Whether the request says `webhook` or the shorter `webhook_url`. */
  readonly form: 'webhook' | 'webhook_url';
  /** The job's own, in place of its key's. */
  readonly secret: string | undefined;
  /** The ends of which it is to notify; undefined: all. */
  readonly events: readonly WebhookEvent[] | undefined;
  /** Answers to its calls, one after the other; further calls get the last one again. That is a 2xx, or a 410. */
  readonly answers: readonly ReceiverAnswer[];
  /**
   * So many ms after the receiver has begun the last of the answers, for the first time, every dispatcher is killed:
   * before it has heard, or before it has written down, what came of the call. Undefined: none is.
   */
  readonly strikeAfterMs: number | undefined;
}

const MOST_FAILURES = 4;
const GONE: ReceiverAnswer = { status: 410 };
/** In a hundred jobs. */
const STRIKES = 3;
const LATEST_STRIKE_MS = 6;
/** How often each kind of answer is drawn; the first two end it. */
const KINDS = { taken: 55, slow: 8, error: 13, busy: 9, reset: 9, hang: 6 } as const;

export function planCallback(random: Random): PlannedCallback {
  const isOwn = random.chance(25);
  const isPicky = random.chance(10);
  return {
    form: isOwn || isPicky || random.chance(50) ? 'webhook' : 'webhook_url',
    secret: isOwn ? makeSecret(random) : undefined,
    events: isPicky ? ['job.succeeded', 'job.expired'] : undefined,
    answers: planAnswers(random),
    strikeAfterMs: random.chance(STRIKES) ? random.int(0, LATEST_STRIKE_MS) : undefined,
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
