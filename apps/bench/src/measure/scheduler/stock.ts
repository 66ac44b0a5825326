import { LODS, newId } from '@comfy-fleet/contracts';
import type { Claim } from '@comfy-fleet/jobs';
import { startRedisServer, until } from '@comfy-fleet/testing';
import { redisCommand, redisCpu, redisMemory } from '../../lib/resource-usage.js';
import { inParallel, type Scope } from '../../lib/scope.js';
import { HOLDS_ALL, openLedgers } from './ledgers.js';
import { ordersOf, POOL } from './orders.js';
import type { SimulatedJob } from './simulation.js';

/** A Redis of its own with so many waiting jobs, all alike but for their keys and levels of detail. */
export interface Stock {
  readonly jobs: number;
  readonly fillSeconds: number;
  readonly bytesPerJob: number;
  /** Claims so many jobs, ends them, and has as many made again. */
  claim(count: number): Promise<Claims>;
}

/** What claiming took, in µs for each claim. */
export interface Claims {
  readonly us: number;
  /** Of Redis' main thread. */
  readonly cpuUs: number;
}

const GPU_MS = 1000;
const ORDERS_AT_ONCE = 2;
const CLAIMS_AT_ONCE = 4;
const ENDS_AT_ONCE = 50;

export async function fillStock(
  scope: Scope,
  { prefix, jobs, keys }: { readonly prefix: string; readonly jobs: number; readonly keys: number },
): Promise<Stock> {
  const { url, close: closeRedis } = await startRedisServer();
  scope.onClose(closeRedis);
  // what the disk needs is the same whatever waits, and would hide the rest
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
      await until('the work items are gone', isSettled);
      return { us, cpuUs };
    },
  };
}

function jobOf(key: string, n: number): SimulatedJob {
  return { id: newId(), key, lod: LODS[n % LODS.length] ?? 'mid', priority: 0, gpuMs: GPU_MS };
}
