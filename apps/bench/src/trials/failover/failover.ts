import { setTimeout as delay } from 'node:timers/promises';
import { JUDGED } from '../behind-nginx/settings.js';
import { startBalancedStack } from '../behind-nginx/stack.js';
import { judge } from '../checks/judge.js';
import { SURVIVING } from '../checks/promises.js';
import { gather } from '../evidence/gather.js';
import { keep } from '../evidence/keep.js';
import { untilRest } from '../evidence/rest.js';
import { makePictures } from '../orders/pictures.js';
import { TAKEN } from '../orders/plain-orders.js';
import { type PlannedJob, planOrders } from '../orders/plan-orders.js';
import { runLoad } from '../people/load.js';
import { startReceiver } from '../people/receiver.js';
import { longestGap, Visits } from '../people/visits.js';
import type { PhaseOptions, PhaseReport } from '../phase.js';
import { startRedundantRedis } from './redundant-redis.js';
import { failoverReport, type Moments } from './report.js';

export interface FailoverOptions extends PhaseOptions {
  readonly jobs: number;
}

/** How often somebody looks at the list of jobs, in ms. */
const LIST_MS = 100;

/** Kills Redis' primary in the middle of a run, with two replicas and three Sentinels, and a 202 that waits for both. */
export async function runFailover({ seed, dir, scope, say, jobs }: FailoverOptions): Promise<PhaseReport> {
  const plan = planOrders(seed, jobs);
  const orders = plan.jobs.map(onceOnly);
  const receiver = await startReceiver(orders, () => {});
  scope.onClose(() => receiver.close());
  const redis = await startRedundantRedis(scope);
  const stack = await startBalancedStack(scope, { dir, redis, callers: plan.callers });
  const pictures = await makePictures(seed);
  const lookers = new Visits(stack.apiUrl);
  const over = new AbortController();
  const looking = look();
  const [load, moments] = await Promise.all([
    runLoad(orders, { apiUrl: stack.apiUrl, receiverUrl: receiver.url, pictures }),
    failOver(),
  ]);
  over.abort();
  await looking;
  const gap = longestGap(lookers.list, moments.killedAt - LIST_MS, Date.now());
  await redis.look();
  const seen = { settings: JUDGED, orders, load };
  await untilRest(stack, seen);
  await redis.look();
  const gathered = await gather(stack, { ...seen, faults: [], receiver });
  const { killedAt, promotedAt } = moments;
  const outage = { process: 'redis', pid: 0, killedAt, upAt: promotedAt };
  const evidence = { ...gathered, outages: [...gathered.outages, outage] };
  const { breaches } = judge(SURVIVING, evidence);
  if (breaches.length > 0) await keep(dir, stack.redis.dir, evidence);
  return { tables: [failoverReport({ evidence, load, moments, gap, failovers: redis.failovers })], breaches };

  async function failOver(): Promise<Moments> {
    await delay(plan.jobs.reduce((sum, { afterMs }) => sum + afterMs, 0) / 2);
    say('the primary is killed');
    const killedAt = Date.now();
    await redis.killPrimary();
    const promotedAt = await redis.promoted();
    say(`a replica is the primary, ${promotedAt - killedAt} ms later`);
    await redis.restartKilled();
    return { killedAt, promotedAt };
  }

  async function look(): Promise<void> {
    const key = plan.callers[0]?.key;
    while (!over.signal.aborted) {
      await lookers.ask('list', '/jobs?limit=5', { method: 'GET', key }, 200);
      await redis.look();
      await delay(LIST_MS);
    }
  }
}

/** Each order has an Idempotency-Key, so that posting it until it is answered makes one job. */
function onceOnly(job: PlannedJob): PlannedJob {
  return { ...job, cancel: undefined, repeats: job.repeats ?? { key: `only-${job.tag}`, posts: 1 }, callback: TAKEN };
}
