import { createRandom } from '../../lib/random.js';
import { type PlannedJob, type PlannedOrders, planOrders } from './plan-orders.js';

/** How somebody who ordered a picture hears of it. */
export type Following = 'listen' | 'poll' | 'wait';

export interface Order extends PlannedJob {
  readonly following: Following;
  /** How the picture of an /img2img is sent. */
  readonly upload: 'form' | 'base64';
}

/** Somebody who takes every webhook. */
export const TAKEN: PlannedJob['callback'] = {
  form: 'webhook_url',
  secret: undefined,
  events: undefined,
  answers: [{ status: 200 }],
  strikeAfterMs: undefined,
};

/**
 * Orders of people who do nothing odd: each posts once, without an Idempotency-Key, cancels nothing, and has a receiver
 * that takes every webhook. What goes wrong with them nobody but the service has done.
 */
export function plainOrders(
  seed: number,
  count: number,
  everyMs: number,
): { orders: Order[]; callers: PlannedOrders['callers'] } {
  const { jobs, callers } = planOrders(seed, count);
  const random = createRandom(seed, 7);
  const orders = jobs.map((job) => ({
    ...job,
    afterMs: random.int(0, 2 * everyMs),
    cancel: undefined,
    repeats: undefined,
    callback: TAKEN,
    following: random.weighted<Following>({ listen: 2, poll: 2, wait: 1 }),
    upload: random.chance(70) ? ('form' as const) : ('base64' as const),
  }));
  return { orders, callers };
}

const CHECKPOINTS = ['sd_xl_base_1.0.safetensors', 'v1-5-pruned-emaonly.safetensors'] as const;

/**
 * Orders that keep a fleet busy and show what it can: `count` at once, then as many one after the other, with several
 * checkpoints, and receivers that do not take every webhook at first.
 */
export function busyOrders(
  seed: number,
  count: number,
  everyMs: number,
): { orders: Order[]; callers: PlannedOrders['callers'] } {
  const { orders, callers } = plainOrders(seed, 2 * count, everyMs);
  const random = createRandom(seed, 8);
  const busy = orders.map((order, n) => ({
    ...order,
    afterMs: n < count ? 0 : order.afterMs,
    body: { ...order.body, ...(order.picture === undefined ? { checkpoint: random.pick(CHECKPOINTS) } : {}) },
    callback: random.chance(10) ? { ...TAKEN, answers: [{ status: 500 }, { status: 200 }] } : TAKEN,
  }));
  return { orders: busy, callers };
}
