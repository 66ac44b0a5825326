import { setTimeout as delay } from 'node:timers/promises';
import { startRedisServer } from '@comfy-fleet/testing';
import { JUDGED } from '../behind-nginx/settings.js';
import { startBalancedStack } from '../behind-nginx/stack.js';
import type { Check } from '../checks/check.js';
import { type JudgedBreach, judge } from '../checks/judge.js';
import { ALWAYS } from '../checks/promises.js';
import { gather } from '../evidence/gather.js';
import { keep } from '../evidence/keep.js';
import { untilRest } from '../evidence/rest.js';
import { makePictures } from '../orders/pictures.js';
import { plainOrders } from '../orders/plain-orders.js';
import { type Crowd, startCrowd } from '../people/crowd.js';
import { startReceiver } from '../people/receiver.js';
import type { PhaseOptions, PhaseReport } from '../phase.js';
import { WHOLE_FILE } from '../stack/stack.js';
import { rollingReport } from './report.js';
import { rollingSteps, type TakenStep } from './steps.js';

/** More than are posted in any run. */
const MOST_ORDERS = 5000;

export interface RollingOptions extends PhaseOptions {
  /** From one order to the next, on average. */
  readonly everyMs: number;
  /** Between two steps, in ms. */
  readonly restMs: number;
  /** See TrialStackOptions. */
  readonly before?: string | undefined;
}

/** Restarts everything, one after the other, while people order, follow and fetch, none of whom tries a request again. */
export async function runRolling(options: RollingOptions): Promise<PhaseReport> {
  const { seed, dir, scope, everyMs, restMs, before, say } = options;
  const { orders, callers } = plainOrders(seed, MOST_ORDERS, everyMs);
  const receiver = await startReceiver(orders, () => {});
  scope.onClose(() => receiver.close());
  const redis = await startRedisServer({ args: WHOLE_FILE });
  scope.onClose(() => redis.close());
  const stack = await startBalancedStack(scope, {
    dir,
    redis: { env: { REDIS_URL: redis.url }, dir: redis.dir },
    callers,
    before,
  });
  const pictures = await makePictures(seed);
  const crowd = startCrowd({ apiUrl: stack.apiUrl, receiverUrl: receiver.url, pictures, orders, callers });
  const steps: TakenStep[] = [];
  const step = async (name: string, run: () => Promise<void>) => {
    say(name);
    const from = Date.now();
    await run();
    steps.push({ name, from, to: Date.now() });
  };
  await step('nothing, to begin with', () => delay(restMs));
  for (const { name, run } of rollingSteps(stack)) {
    await step(name, run);
    await delay(restMs);
  }
  await step('nothing, in the end', () => delay(restMs));
  await crowd.leave();
  const load = { posts: [...crowd.posts], cancels: [] };
  const seen = { settings: JUDGED, orders: crowd.orders, load };
  await untilRest(stack, seen);
  const evidence = await gather(stack, { ...seen, faults: [], receiver });
  const breaches = [...judge({ ...ALWAYS, onceTold }, evidence).breaches, ...failedRequests(crowd)];
  if (breaches.length > 0) await keep(dir, stack.redis.dir, evidence);
  return { tables: rollingReport({ crowd, steps, evidence, accesses: await stack.nginx.accesses() }), breaches };
}

function failedRequests({ visits, posts, followed }: Crowd): JudgedBreach[] {
  const check = 'requests';
  const failed = visits.flatMap(({ kind, sentAt, fault }) =>
    fault === undefined ? [] : [{ check, what: `${kind} at ${new Date(sentAt).toISOString()}: ${fault}`, story: [] }],
  );
  const lost = posts.length - followed;
  return lost === 0
    ? failed
    : [...failed, { check, what: `${lost} of ${posts.length} people did not see their job's end`, story: [] }];
}

/** Nobody was killed: each receiver is notified once of each job. */
const onceTold: Check = ({ calls, jobs }) => ({
  rows: [],
  breaches: calls.length <= jobs.size ? [] : [{ what: `${calls.length} calls notify of ${jobs.size} jobs` }],
});
