import { LODS, newId } from '@comfy-fleet/contracts';
import type { Claim } from '@comfy-fleet/jobs';
import { startRedisServer, until } from '@comfy-fleet/testing';
import { type Goal, median, table } from '../../lib/report.js';
import { redisCommand, redisCpu, redisMemory } from '../../lib/resource-usage.js';
import { inParallel, type Scope } from '../../lib/scope.js';
import { HOLDS_ALL, openLedgers, ordersOf, POOL } from './ledger.js';
import type { SimulatedJob } from './simulation.js';

/** A queue, and the measured claims of each round. */
export interface Cost {
  readonly queue: Queue;
  readonly rounds: readonly Claims[];
}

export interface CostOptions {
  readonly prefix: string;
  /** The lengths of the queues. The others are compared with the first one. */
  readonly jobs: readonly number[];
  readonly keys: number;
  readonly rounds: number;
  readonly claims: number;
  readonly onProgress: (text: string) => void;
}

/** Claims from short and long queues in turns, so that a slower machine affects all alike. */
export function measureCost(
  all: Scope,
  { prefix, jobs, keys, rounds, claims, onProgress }: CostOptions,
): Promise<Cost[]> {
  return all.inner(async (scope) => {
    const costs: { readonly queue: Queue; readonly rounds: Claims[] }[] = [];
    for (const count of jobs) {
      onProgress(`a queue of ${count} jobs`);
      costs.push({ queue: await fillQueue(scope, { prefix, jobs: count, keys }), rounds: [] });
    }
    onProgress('claims from short and long queues');
    for (const { queue } of costs) await queue.claim(claims);
    for (let n = 0; n < rounds; n++) {
      for (const cost of costs) cost.rounds.push(await cost.queue.claim(claims));
    }
    return costs;
  });
}

/** Waiting jobs in a Redis of their own, which differ only in their keys and levels of detail. */
interface Queue {
  readonly jobs: number;
  readonly fillSeconds: number;
  readonly bytesPerJob: number;
  /** Claims jobs, finishes them, and creates as many again. */
  claim(count: number): Promise<Claims>;
}

/** What a claim took, in µs. */
export interface Claims {
  readonly us: number;
  /** CPU time of the main thread of Redis. */
  readonly cpuUs: number;
}

const GPU_MS = 1000;
const ORDERS_AT_ONCE = 2;
const CLAIMS_AT_ONCE = 4;
const ENDS_AT_ONCE = 50;

async function fillQueue(
  scope: Scope,
  { prefix, jobs, keys }: { readonly prefix: string; readonly jobs: number; readonly keys: number },
): Promise<Queue> {
  // A million jobs take more than the usual 2 GB.
  const { url, close: closeRedis } = await startRedisServer({ args: ['--maxmemory', '0'] });
  scope.onClose(closeRedis);
  // Writing to disk takes the same time for each length, and would hide the differences.
  await redisCommand(url, 'CONFIG SET appendfsync everysec auto-aof-rewrite-percentage 0');
  const { ledger, source, close } = await openLedgers(scope, url, prefix);
  scope.onClose(close);
  const make = (orders: ReturnType<typeof ordersOf>) =>
    inParallel(orders.length, ORDERS_AT_ONCE, async (index) => {
      const order = orders[index];
      if (order !== undefined) await ledger.orders.create(order);
    });

  await make(ordersOf([jobOf('first', 0)], new Map()));
  const before = await redisMemory(url);
  const began = performance.now();
  await inParallel(keys, ORDERS_AT_ONCE, (key) => {
    const own = Array.from({ length: jobs / keys }, (_, n) => jobOf(`key-${key}`, n));
    return make(ordersOf(own, new Map()));
  });
  const fillSeconds = (performance.now() - began) / 1000;
  const bytesPerJob = ((await redisMemory(url)) - before) / jobs;
  const isSettled = async () => (await redisCommand(url, `LLEN ${prefix}:queue-${POOL}:active`)).trim() === ':0';
  return {
    jobs,
    fillSeconds,
    bytesPerJob,
    claim: async (count) => {
      const claims: Claim[] = [];
      const cpuBefore = await redisCpu(url);
      const since = performance.now();
      await inParallel(count, CLAIMS_AT_ONCE, async () => {
        const claim = await source.nextFor(HOLDS_ALL);
        if (claim !== undefined && claim !== 'left') claims.push(claim);
      });
      const us = ((performance.now() - since) * 1000) / count;
      const cpuUs = ((await redisCpu(url)) - cpuBefore) / count;
      if (claims.length !== count) throw new Error(`${claims.length} of ${count} jobs were claimed`);
      await inParallel(count, ENDS_AT_ONCE, async (index) => {
        await claims[index]?.finish({ status: 'succeeded', outputs: [], executedMs: GPU_MS });
      });
      await make(
        ordersOf(
          claims.map(({ record }, n) => jobOf(record.key, n)),
          new Map(),
        ),
      );
      await until('all work items are finished', isSettled);
      return { us, cpuUs };
    },
  };
}

function jobOf(key: string, n: number): SimulatedJob {
  return { id: newId(), key, lod: LODS[n % LODS.length] ?? 'mid', priority: 0, gpuMs: GPU_MS };
}

const MOST_RATIO = 1.3;

const MOST_BYTES = 2600;

/** The median of the ratios of each round, because a slow machine affects both sides of a round. */
function ratioOf(cost: Cost, least: Cost, of: (claims: Claims) => number): number {
  return median(cost.rounds.map((round, n) => of(round) / of(least.rounds[n] as Claims)));
}

export function costTable(costs: readonly Cost[]): string {
  const [least] = costs;
  return table(
    'Claims from queues of 1,000 keys, and their ratio to those from the shortest',
    ['waiting', 'filled in s', 'bytes each', 'claims/s', 'ratio', 'Redis CPU µs', 'ratio'],
    costs.map((cost) => [
      `${cost.queue.jobs}`,
      cost.queue.fillSeconds.toFixed(1),
      cost.queue.bytesPerJob.toFixed(0),
      (1e6 / median(cost.rounds.map(({ us }) => us))).toFixed(0),
      least === undefined ? '' : ratioOf(cost, least, ({ us }) => us).toFixed(3),
      median(cost.rounds.map(({ cpuUs }) => cpuUs)).toFixed(0),
      least === undefined ? '' : ratioOf(cost, least, ({ cpuUs }) => cpuUs).toFixed(3),
    ]),
  );
}

export function costGoals([least, ...longer]: readonly Cost[]): Goal[] {
  if (least === undefined) return [];
  return longer.flatMap((cost): Goal[] => {
    const { jobs, bytesPerJob } = cost.queue;
    const beside = `with ${jobs} waiting ÷ with ${least.queue.jobs}`;
    const ratio = { unit: '', bound: 'at most', limit: MOST_RATIO } as const;
    return [
      { what: `time of a claim ${beside}`, value: ratioOf(cost, least, ({ us }) => us), ...ratio },
      { what: `CPU of a claim ${beside}`, value: ratioOf(cost, least, ({ cpuUs }) => cpuUs), ...ratio },
      {
        what: `Redis for each of ${jobs} jobs`,
        value: bytesPerJob,
        unit: 'bytes',
        bound: 'at most',
        limit: MOST_BYTES,
      },
    ];
  });
}
