import { setTimeout as delay } from 'node:timers/promises';
import { startRedisServer, until } from '@comfy-fleet/testing';
import { percentile, table, tally } from '../../lib/report.js';
import type { Access } from '../behind-nginx/nginx.js';
import { type BalancedStack, JUDGED, NAMES, operatorOf, startBalancedStack } from '../behind-nginx/stack.js';
import { ALWAYS, type JudgedBreach, judge } from '../checks/promises.js';
import type { Check, Evidence } from '../evidence/evidence.js';
import { renderingsPerJob } from '../evidence/executions.js';
import { gather, keep } from '../evidence/gather.js';
import { untilRest } from '../evidence/observe.js';
import { plainOrders } from '../orders/plain-orders.js';
import { makePictures } from '../orders/plan-orders.js';
import { type Crowd, startCrowd } from '../people/crowd.js';
import { startReceiver } from '../people/receiver.js';
import { longestGap, type Visit } from '../people/visits.js';
import { WHOLE_FILE } from '../stack/stack.js';
import type { PhaseOptions, PhaseReport } from '../trial.js';

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

/** For an instance to have a job done after its restart. */
const BACK_MS = 30_000;

/** A restart of everything, one after the other, as whoever runs it would do it: with and without what is to be told before. */
function rollingSteps(stack: BalancedStack): Step[] {
  const operator = operatorOf(stack);
  const [drained = [], surprised = []] = [0, 1].map((rest) => NAMES.simulators.filter((_, n) => n % 2 === rest));
  return [
    ...[...NAMES.workers, ...NAMES.dispatchers].map((name) => ({ name, run: () => stack.named(name).renew() })),
    ...NAMES.apis.map((name) => ({ name: `${name}, nginx told`, run: () => renewApi(name) })),
    // Who runs nginx may just stop an api: it says that it is stopping, and only then refuses.
    ...NAMES.apis.map((name) => ({ name: `${name}, nginx not told`, run: () => stack.named(name).renew() })),
    ...drained.map((name) => ({ name: `simulator ${name}, drained`, run: () => renewDrained(name) })),
    ...surprised.map((name) => ({ name: `simulator ${name}, at work`, run: () => renewSimulator(name) })),
    { name: 'nginx, reloaded', run: () => stack.nginx.leaveOut([]) },
  ];

  /** As in Kubernetes: at the same moment it is told to stop, and taken from those who get requests. */
  async function renewApi(name: string): Promise<void> {
    await Promise.all([stack.named(name).renew(), stack.nginx.leaveOut([name])]);
    await stack.nginx.leaveOut([]);
  }

  /** Nothing is at work in it. */
  async function renewDrained(name: string): Promise<void> {
    await operator.drain(name);
    await stack.named(name).renew();
    await operator.resume(name);
    await untilItWorks(name);
  }

  /** What it was at is lost with it, and made anew. */
  async function renewSimulator(name: string): Promise<void> {
    await stack.named(name).renew();
    await untilItWorks(name);
  }

  async function untilItWorks(name: string): Promise<void> {
    const jobsDone = async () => (await operator.instance(name))?.jobs_done ?? 0;
    const before = await jobsDone();
    const isBack = async () => (await jobsDone()) > before;
    await until(`${name} has done a job again`, isBack, { withinMs: BACK_MS, everyMs: 200 });
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
    table(
      'Rolling restart: what was restarted, and who noticed',
      ['restarted', 's', 'requests', 'failed', 'longest gap, ms'],
      stepRows,
    ),
    table(
      'Requests through nginx, without a second try',
      ['', 'requests', 'failed', 'p50 ms', 'p99', 'longest'],
      kindRows,
    ),
    table('What became of it', ['', ''], outcomes({ crowd, steps, evidence, accesses })),
  ];
}

function outcomes({ crowd, evidence, accesses }: RollingEvidence): string[][] {
  const { posts, visits, followed, reconnects, cuts } = crowd;
  const { jobs, calls } = evidence;
  const states = [...jobs.values()].map((job) => job?.status ?? 'unknown');
  const accepted = posts.filter(({ jobId }) => jobId !== undefined).length;
  const rows: [string, number | string][] = [
    ['requests', visits.length],
    ['… failed', failed(visits)],
    ['… that nginx gave to another api', accesses.filter(({ upstreamStatuses }) => upstreamStatuses.length > 1).length],
    ['jobs accepted', accepted],
    ['… ended', tally(states)],
    ['… seen to their end', followed],
    ['event streams taken up again', reconnects],
    ['… that were cut, not ended', cuts],
    ['callbacks delivered', new Set(calls.map(({ webhookId }) => webhookId)).size],
    ['… calls for them', calls.length],
    ['jobs rendered', renderingsPerJob(evidence)],
  ];
  return rows.map(([name, value]) => [name, `${value}`]);
}

function failed(visits: readonly Visit[]): number {
  return visits.filter(({ fault }) => fault !== undefined).length;
}
