import type { WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { countWaitingItems } from '../queue/waiting-items.js';
import { expectedMs } from '../record/signature.js';
import { readWorkers } from '../workers/announcements.js';
import { type Halts, isPaused, readHalts } from '../workers/halts.js';
import { instancesServing } from '../workers/serving.js';
import { readSlowness } from '../workers/slowness.js';

export interface PoolOverview {
  readonly pool: string;
  /** Accepted and not ended. */
  readonly open: number;
  /** In the queue, taken by nobody. */
  readonly waiting: number;
  /** Executing. */
  readonly running: number;
  /** Instances that are up, not halted, and whose worker takes jobs. */
  readonly instances: number;
  /** Operators have paused it, alone or with the whole fleet: nothing of it is claimed. */
  readonly paused: boolean;
  /** Learned durations of an execution in ms, by signature and by lod. */
  readonly durations: ReadonlyMap<string, number>;
  /** What has not begun: jobs whose duration is known, and the sum of these in ms. */
  readonly backlog: { readonly jobs: number; readonly ms: number };
}

export interface FleetOverview {
  readonly pools: readonly PoolOverview[];
  readonly workers: readonly WorkerAnnouncement[];
  readonly halts: Halts;
  /** How many times as long as its peers an instance takes for like work, where that can be told. */
  readonly slowness: ReadonlyMap<string, number>;
}

/** Pools that a job went to, and pools that a worker serves, in the order of their names. */
export async function readOverview(redis: Redis, keys: Keys): Promise<FleetOverview> {
  const [used, workers, halts] = await Promise.all([
    redis.smembers(keys.pools),
    readWorkers(redis, keys),
    readHalts(redis, keys),
  ]);
  const names = [...new Set([...used, ...workers.flatMap(({ pools }) => pools)])].sort();
  const pools = await Promise.all(names.map((pool) => readPool(redis, keys, pool, { workers, halts })));
  return { pools, workers, halts, slowness: await readSlowness(redis, keys, names) };
}

async function readPool(
  redis: Redis,
  keys: Keys,
  pool: string,
  { workers, halts }: Pick<FleetOverview, 'workers' | 'halts'>,
): Promise<PoolOverview> {
  const [open, running, waiting, backlog, learned] = await Promise.all([
    redis.zcard(keys.open(pool)),
    redis.scard(keys.running(pool)),
    countWaitingItems(redis, keys, pool),
    redis.hgetall(keys.backlog(pool)),
    redis.hgetall(keys.durations(pool)),
  ]);
  const durations = new Map(Object.entries(learned).map(([kind, ms]) => [kind, Number(ms)]));
  return {
    pool,
    open,
    waiting,
    running,
    instances: instancesServing(
      workers.filter(({ draining }) => !draining),
      pool,
    ).filter(({ name, state }) => state === 'up' && !halts.instances.has(name)).length,
    paused: isPaused(halts, pool),
    durations,
    backlog: sum(backlog, durations),
  };
}

function sum(waiting: Readonly<Record<string, string>>, durations: ReadonlyMap<string, number>) {
  const backlog = { jobs: 0, ms: 0 };
  for (const [signature, count] of Object.entries(waiting)) {
    const each = expectedMs(signature, durations);
    if (each === undefined) continue;
    backlog.jobs += Number(count);
    backlog.ms += Number(count) * each;
  }
  return backlog;
}
