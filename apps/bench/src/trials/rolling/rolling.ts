import { setTimeout as delay } from 'node:timers/promises';
import { startRedisServer, until } from '@comfy-fleet/testing';
import { percentile, table, tally } from '../../lib/report.js';
import type { Access } from '../behind-nginx/nginx.js';
import { type BalancedStack, JUDGED, NAMES, operatorOf, startBalancedStack } from '../behind-nginx/stack.js';
import { ALWAYS, type JudgedBreach, judge } from '../checks/promises.js';
import type { Check, Evidence } from '../evidence/evidence.js';
import { renderingsPerJob } from '../evidence/executions.js';
import { gather, keepEvidence } from '../evidence/gather.js';
import { untilIdle } from '../evidence/observe.js';
import { plainOrders } from '../orders/plain-orders.js';
import { makePictures } from '../orders/plan-orders.js';
import { type Crowd, startCrowd } from '../people/crowd.js';
import { startReceiver } from '../people/receiver.js';
import { longestGap, type Visit } from '../people/visits.js';
import { WHOLE_FILE } from '../stack/stack.js';
import type { PhaseOptions, PhaseReport } from '../trial.js';

/** More orders than are posted in any run. */
const MOST_ORDERS = 5000;

export interface RollingOptions extends PhaseOptions {
  /** The average time between two orders, in ms. */
  readonly everyMs: number;
  /** The pause between two steps, in ms. */
  readonly restMs: number;
  /** See TrialStackOptions. */
  readonly before?: string | undefined;
}

/** Restarts all processes one after the other, while users order, follow and download without retrying a request. */
export async function runRolling(options: RollingOptions): Promise<PhaseReport> {
  const { seed, dir, scope, everyMs, restMs, before, print } = options;
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
    print(name);
    const from = Date.now();
    await run();
    steps.push({ name, from, to: Date.now() });
  };
  await step('nothing, at the start', () => delay(restMs));
  for (const { name, run } of rollingSteps(stack)) {
    await step(name, run);
    await delay(restMs);
  }
  await step('nothing, at the end', () => delay(restMs));
  await crowd.leave();
  const load = { posts: [...crowd.posts], cancels: [] };
  const seen = { settings: JUDGED, orders: crowd.orders, load };
  await untilIdle(stack, seen);
  const evidence = await gather(stack, { ...seen, faults: [], receiver });
  const breaches = [...judge({ ...ALWAYS, notifiedOnce }, evidence).breaches, ...failedRequests(crowd)];
  if (breaches.length > 0) await keepEvidence(dir, stack.redis.dir, evidence);
  return { tables: rollingReport({ crowd, steps, evidence, accesses: await stack.nginx.accesses() }), breaches };
}

function failedRequests({ visits, posts, followed }: Crowd): JudgedBreach[] {
  const check = 'requests';
  const failed = visits.flatMap(({ kind, sentAt, fault }) =>
    fault === undefined
      ? []
      : [{ check, what: `${kind} at ${new Date(sentAt).toISOString()}: ${fault}`, timeline: [] }],
  );
  const lost = posts.length - followed;
  return lost === 0
    ? failed
    : [...failed, { check, what: `${lost} of ${posts.length} users did not see the end of their job`, timeline: [] }];
}

/** Each job is notified only once, because no process was killed. */
const notifiedOnce: Check = ({ calls, jobs }) => ({
  rows: [],
  breaches: calls.length <= jobs.size ? [] : [{ what: `${calls.length} calls were made for ${jobs.size} jobs` }],
});

export interface Step {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Times are ms since 1970. */
export interface TakenStep {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** How long an instance may take to finish a job after its restart. */
const BACK_MS = 30_000;

/** Restarts of all processes, one after the other, with and without preparation by the operator. */
function rollingSteps(stack: BalancedStack): Step[] {
  const operator = operatorOf(stack);
  const [drained = [], busy = []] = [0, 1].map((rest) => NAMES.simulators.filter((_, n) => n % 2 === rest));
  return [
    ...[...NAMES.workers, ...NAMES.dispatchers].map((name) => ({ name, run: () => stack.named(name).renew() })),
    ...NAMES.apis.map((name) => ({ name: `${name}, removed from nginx`, run: () => renewApi(name) })),
    // An operator may just stop an API, because it reports that it is stopping before it refuses requests.
    ...NAMES.apis.map((name) => ({ name: `${name}, still in nginx`, run: () => stack.named(name).renew() })),
    ...drained.map((name) => ({ name: `simulator ${name}, drained`, run: () => renewDrained(name) })),
    ...busy.map((name) => ({ name: `simulator ${name}, busy`, run: () => renewSimulator(name) })),
    { name: 'nginx, reloaded', run: () => stack.nginx.leaveOut([]) },
  ];

  /** As in Kubernetes: the API is stopped and removed from the load balancer at the same time. */
  async function renewApi(name: string): Promise<void> {
    await Promise.all([stack.named(name).renew(), stack.nginx.leaveOut([name])]);
    await stack.nginx.leaveOut([]);
  }

  /** Restarts an instance without jobs. */
  async function renewDrained(name: string): Promise<void> {
    await operator.drain(name);
    await stack.named(name).renew();
    await operator.resume(name);
    await untilItWorks(name);
  }

  /** Restarts an instance with jobs, which are lost and run again. */
  async function renewSimulator(name: string): Promise<void> {
    await stack.named(name).renew();
    await untilItWorks(name);
  }

  async function untilItWorks(name: string): Promise<void> {
    const jobsDone = async () => (await operator.instance(name))?.jobs_done ?? 0;
    const before = await jobsDone();
    const isBack = async () => (await jobsDone()) > before;
    await until(`${name} has finished a job again`, isBack, { withinMs: BACK_MS, everyMs: 200 });
  }
}

const seconds = (ms: number) => (ms / 1000).toFixed(1);

export interface RollingEvidence {
  readonly crowd: Crowd;
  readonly steps: readonly TakenStep[];
  readonly evidence: Evidence;
  readonly accesses: readonly Access[];
}

function rollingReport({ crowd, steps, evidence, accesses }: RollingEvidence): string[] {
  const { visits } = crowd;
  const stepRows = steps.map(({ name, from, to }) => {
    const during = visits.filter(({ sentAt }) => sentAt >= from && sentAt <= to);
    return [name, seconds(to - from), `${during.length}`, `${failed(during)}`, `${longestGap(visits, from, to)}`];
  });
  const kinds = [...new Set(visits.map(({ kind }) => kind))].sort();
  const kindRows = kinds.map((kind) => {
    const own = visits.filter((visit) => visit.kind === kind);
    const ms = own.map(({ sentAt, answeredAt }) => answeredAt - sentAt);
    const waits = kind === 'wait';
    const times = [50, 99, 100].map((share) => (waits ? '' : `${percentile(ms, share)}`));
    return [kind, `${own.length}`, `${failed(own)}`, ...times];
  });
  return [
    table('Rolling restart', ['restarted', 's', 'requests', 'failed', 'longest gap, ms'], stepRows),
    table('Requests through nginx, without retries', ['', 'requests', 'failed', 'p50 ms', 'p99', 'longest'], kindRows),
    table('Outcome', ['', ''], outcomes({ crowd, steps, evidence, accesses })),
  ];
}

function outcomes({ crowd, evidence, accesses }: RollingEvidence): [string, number | string][] {
  const { posts, visits, followed, reconnects, cuts } = crowd;
  const { jobs, calls } = evidence;
  const states = [...jobs.values()].map((job) => job?.status ?? 'unknown');
  const accepted = posts.filter(({ jobId }) => jobId !== undefined).length;
  return [
    ['requests', visits.length],
    ['… failed', failed(visits)],
    [
      '… that nginx passed to another API',
      accesses.filter(({ upstreamStatuses }) => upstreamStatuses.length > 1).length,
    ],
    ['jobs accepted', accepted],
    ['… ended', tally(states)],
    ['… seen to their end', followed],
    ['event streams reopened', reconnects],
    ['event streams that broke off', cuts],
    ['callbacks delivered', new Set(calls.map(({ webhookId }) => webhookId)).size],
    ['… calls for them', calls.length],
    ['jobs rendered', renderingsPerJob(evidence)],
  ];
}

function failed(visits: readonly Visit[]): number {
  return visits.filter(({ fault }) => fault !== undefined).length;
}
