import { setTimeout as delay } from 'node:timers/promises';
import { startRedisSentinels, until } from '@comfy-fleet/testing';
import { table, tally } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { JUDGED, startBalancedStack } from '../behind-nginx/stack.js';
import { judge, SURVIVING } from '../checks/promises.js';
import type { Evidence } from '../evidence/evidence.js';
import { executionsByJob, renderingsPerJob } from '../evidence/executions.js';
import { gather, keepEvidence } from '../evidence/gather.js';
import { untilIdle } from '../evidence/observe.js';
import { ACCEPTING } from '../orders/plain-orders.js';
import { makePictures, type PlannedJob, planOrders } from '../orders/plan-orders.js';
import { type Load, runLoad } from '../people/load.js';
import { startReceiver } from '../people/receiver.js';
import { longestGap, Visits } from '../people/visits.js';
import { type TrialRedis, WHOLE_FILE } from '../stack/stack.js';
import type { PhaseOptions, PhaseReport } from '../trial.js';

export interface FailoverOptions extends PhaseOptions {
  readonly jobs: number;
}

/** How often the list of jobs is requested, in ms. */
const LIST_MS = 100;

/**
 * Kills the Redis primary in the middle of a run. Two replicas must have a job before its 202, and three Sentinels
 * watch.
 */
export async function runFailover({ seed, dir, scope, print, jobs }: FailoverOptions): Promise<PhaseReport> {
  const plan = planOrders(seed, jobs);
  const orders = plan.jobs.map(onceOnly);
  const receiver = await startReceiver(orders, () => {});
  scope.onClose(() => receiver.close());
  const redis = await startRedundantRedis(scope);
  const stack = await startBalancedStack(scope, { dir, redis, callers: plan.callers });
  const pictures = await makePictures(seed);
  const polls = new Visits(stack.apiUrl);
  const over = new AbortController();
  const polling = poll();
  const [load, moments] = await Promise.all([
    runLoad(orders, { apiUrl: stack.apiUrl, receiverUrl: receiver.url, pictures }),
    failOver(),
  ]);
  over.abort();
  await polling;
  const gap = longestGap(polls.list, moments.killedAt - LIST_MS, Date.now());
  await redis.checkPrimary();
  const seen = { settings: JUDGED, orders, load };
  await untilIdle(stack, seen);
  await redis.checkPrimary();
  const gathered = await gather(stack, { ...seen, faults: [], receiver });
  const { killedAt, promotedAt } = moments;
  const outage = { process: 'redis', pid: 0, killedAt, upAt: promotedAt };
  const evidence = { ...gathered, outages: [...gathered.outages, outage] };
  const { breaches } = judge(SURVIVING, evidence);
  if (breaches.length > 0) await keepEvidence(dir, stack.redis.dir, evidence);
  return { tables: [failoverReport({ evidence, load, moments, gap, failovers: redis.failovers })], breaches };

  async function failOver(): Promise<Moments> {
    await delay(plan.jobs.reduce((sum, { afterMs }) => sum + afterMs, 0) / 2);
    print('killing the primary');
    const killedAt = Date.now();
    await redis.killPrimary();
    const promotedAt = await redis.promoted();
    print(`a replica was promoted after ${promotedAt - killedAt} ms`);
    await redis.restartKilled();
    return { killedAt, promotedAt };
  }

  async function poll(): Promise<void> {
    const key = plan.callers[0]?.key;
    while (!over.signal.aborted) {
      await polls.ask('list', '/jobs?limit=5', { method: 'GET', key }, 200);
      await redis.checkPrimary();
      await delay(LIST_MS);
    }
  }
}

/** Gives each order an Idempotency-Key, so that repeated posts create only one job. */
function onceOnly(job: PlannedJob): PlannedJob {
  return {
    ...job,
    cancel: undefined,
    repeats: job.repeats ?? { key: `only-${job.tag}`, posts: 1 },
    callback: ACCEPTING,
  };
}

const REPLICAS = 2;

/** A primary, its replicas and the Sentinels that watch them. */
export interface RedundantRedis extends TrialRedis {
  /** Kills the primary with SIGKILL. Resolves when it is dead. */
  killPrimary(): Promise<void>;
  /** Restarts the killed primary, which becomes a replica of its successor. */
  restartKilled(): Promise<void>;
  /** Resolves when the Sentinels report another primary, to the time when that was noticed. */
  promoted(): Promise<number>;
  /** Checks which server is the primary. On a very busy machine Sentinels may also replace a slow primary. */
  checkPrimary(): Promise<void>;
  /** How often another primary was found. */
  readonly failovers: number;
}

/**
 * Starts all servers; `dir` is that of the primary. Every replica's file has the whole run, because it follows from the
 * start.
 */
async function startRedundantRedis(scope: Scope): Promise<RedundantRedis> {
  const redis = await startRedisSentinels({ replicas: REPLICAS, args: WHOLE_FILE });
  scope.onClose(() => redis.close());
  const first = await redis.primary();
  let primary = first;
  let failovers = 0;
  const checkPrimary = async () => {
    const now = await redis.primary();
    if (now !== primary) failovers += 1;
    primary = now;
  };
  return {
    env: {
      REDIS_SENTINELS: redis.nodes.map(({ host, port }) => `${host}:${port}`).join(','),
      REDIS_SENTINEL_NAME: redis.name,
      REDIS_WAIT_REPLICAS: `${REPLICAS}`,
    },
    get dir() {
      return primary.dir;
    },
    killPrimary: () => first.stop('SIGKILL'),
    restartKilled: () => first.restart(),
    promoted: async () => {
      const isAnother = async () => {
        await checkPrimary();
        return primary !== first;
      };
      await until('a replica is the primary', isAnother, { withinMs: 30_000, everyMs: 20 });
      return Date.now();
    },
    checkPrimary,
    get failovers() {
      return failovers;
    },
  };
}

/** Times in ms since 1970. */
export interface Moments {
  readonly killedAt: number;
  readonly promotedAt: number;
}

export interface Outcome {
  readonly evidence: Evidence;
  readonly load: Load;
  readonly moments: Moments;
  /** In ms. */
  readonly gap: number;
  readonly failovers: number;
}

function failoverReport({ evidence, load, moments, gap, failovers }: Outcome): string {
  const { killedAt, promotedAt } = moments;
  const taken = load.posts.filter(({ status }) => status === 202);
  const first = taken.filter(({ sentAt }) => sentAt >= killedAt).map(({ answeredAt }) => answeredAt);
  const acknowledged = new Set(taken.map(({ jobId }) => jobId));
  const before = taken.filter(({ answeredAt }) => answeredAt <= killedAt);
  const endedBefore = evidence.calls.filter(({ at }) => at <= killedAt).length;
  const executions = [...executionsByJob(evidence).values()];
  const otherwise = load.posts.flatMap(({ status }) => (status === 202 ? [] : [`${status ?? 'no answer'}`]));
  const rows: [string, number | string][] = [
    ['from the kill to a new primary, ms', promotedAt - killedAt],
    ['from the kill to the first 202 of a post that came after it, ms', Math.min(...first) - killedAt],
    ['longest time without an answer to GET /jobs, ms', gap],
    ['failovers in total', failovers],
    ['jobs acknowledged', acknowledged.size],
    ['… before the kill', before.length],
    ['… of these, ended and delivered before it', endedBefore],
    ['posts answered otherwise (and repeated)', tally(otherwise)],
    [
      'acknowledged jobs by final state',
      tally([...acknowledged].map((id) => evidence.jobs.get(id ?? '')?.status ?? 'LOST')),
    ],
    ['jobs rendered', renderingsPerJob(evidence)],
    ['renderings repeated', executions.reduce((sum, { length }) => sum + length - 1, 0)],
    ['callbacks delivered', new Set(evidence.calls.map(({ webhookId }) => webhookId)).size],
    ['… delivered again, because the delivery was lost', repeatedCalls(evidence)],
  ];
  return table("Failover: Redis' primary killed under load", ['', ''], rows);
}

function repeatedCalls({ calls }: Evidence): number {
  return calls.length - new Set(calls.map(({ webhookId }) => webhookId)).size;
}
