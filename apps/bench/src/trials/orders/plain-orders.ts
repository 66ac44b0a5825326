import { createRandom } from '../../lib/random.js';
import { type PlannedJob, type PlannedOrders, planOrders } from './plan-orders.js';

/** How a user follows a job. */
export type Following = 'listen' | 'poll' | 'wait';

export interface Order extends PlannedJob {
  readonly following: Following;
  /** How the picture of /img2img is sent. */
  readonly upload: 'form' | 'base64';
}

/** A receiver that accepts every webhook. */
export const ACCEPTING: PlannedJob['callback'] = {
  form: 'webhook_url',
  secret: undefined,
  events: undefined,
  answers: [{ status: 200 }],
  killAfterMs: undefined,
};

/**
 * Orders of well-behaved users: each posts once without an Idempotency-Key, cancels nothing, and has a receiver that
 * accepts every webhook. So every problem is the fault of the service.
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
    callback: ACCEPTING,
    following: random.weighted<Following>({ listen: 2, poll: 2, wait: 1 }),
    upload: random.chance(70) ? ('form' as const) : ('base64' as const),
  }));
  return { orders, callers };
}

const CHECKPOINTS = ['sd_xl_base_1.0.safetensors', 'v1-5-pruned-emaonly.safetensors'] as const;

/**
 * Orders that keep a fleet busy in many ways: `count` at once, then as many one after the other, with several
 * checkpoints, and with some receivers that fail the first call.
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
    callback: random.chance(10) ? { ...ACCEPTING, answers: [{ status: 500 }, { status: 200 }] } : ACCEPTING,
  }));
  return { orders: busy, callers };
}
