import { setTimeout as delay } from 'node:timers/promises';
import { startRedisSentinels, until } from '@comfy-fleet/testing';
import { table, tally } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { JUDGED, startBalancedStack } from '../behind-nginx/stack.js';
import { judge, SURVIVING } from '../checks/promises.js';
import type { Evidence } from '../evidence/evidence.js';
import { executionsByJob, renderingsPerJob } from '../evidence/executions.js';
import { gather, keep } from '../evidence/gather.js';
import { untilRest } from '../evidence/observe.js';
import { TAKEN } from '../orders/plain-orders.js';
import { makePictures, type PlannedJob, planOrders } from '../orders/plan-orders.js';
import { type Load, runLoad } from '../people/load.js';
import { startReceiver } from '../people/receiver.js';
import { longestGap, Visits } from '../people/visits.js';
import { type TrialRedis, WHOLE_FILE } from '../stack/stack.js';
import type { PhaseOptions, PhaseReport } from '../trial.js';

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

const REPLICAS = 2;

/** A primary, its replicas and the Sentinels that watch them. */
export interface RedundantRedis extends TrialRedis {
  /** SIGKILL. Resolves when it is dead. */
  killPrimary(): Promise<void>;
  /** Starts the killed one again: it follows its successor. */
  restartKilled(): Promise<void>;
  /** Resolves when the Sentinels name another, to the time at which they were seen to. */
  promoted(): Promise<number>;
  /** Looks which one is the primary now: on a machine that is busy enough Sentinels take a slow one for dead, too. */
  look(): Promise<void>;
  /** How often another one was seen to be the primary. */
  readonly failovers: number;
}

/** Starts them all; `dir` is the primary's. Since the replicas follow from the beginning, the file of each of them tells the whole run. */
async function startRedundantRedis(scope: Scope): Promise<RedundantRedis> {
  const redis = await startRedisSentinels({ replicas: REPLICAS, args: WHOLE_FILE });
  scope.onClose(() => redis.close());
  const first = await redis.primary();
  let primary = first;
  let failovers = 0;
  const look = async () => {
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
        await look();
        return primary !== first;
      };
      await until('a replica is the primary', isAnother, { withinMs: 30_000, everyMs: 20 });
      return Date.now();
    },
    look,
    get failovers() {
      return failovers;
    },
  };
}

/** When what happened; ms since 1970. */
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
    ['longest time without an answer to a look at the jobs, ms', gap],
    ['failovers in all', failovers],
    ['jobs acknowledged', acknowledged.size],
    ['… before the kill', before.length],
    ['… of these, ended and delivered before it', endedBefore],
    ['posts answered otherwise (and repeated)', tally(otherwise)],
    [
      'acknowledged jobs by their one end',
      tally([...acknowledged].map((id) => evidence.jobs.get(id ?? '')?.status ?? 'LOST')),
    ],
    ['jobs rendered', renderingsPerJob(evidence)],
    ['renderings repeated', executions.reduce((sum, { length }) => sum + length - 1, 0)],
    ['callbacks delivered', new Set(evidence.calls.map(({ webhookId }) => webhookId)).size],
    ['… delivered again, since that they were was lost', repeatedCalls(evidence)],
  ];
  return table(
    "Failover: Redis' primary killed under load",
    ['', ''],
    rows.map(([name, value]) => [name, `${value}`]),
  );
}

function repeatedCalls({ calls }: Evidence): number {
  return calls.length - new Set(calls.map(({ webhookId }) => webhookId)).size;
}
