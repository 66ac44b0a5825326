import { LODS, type Lod, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { type JobInWork, readInWork } from '../record/jobs-in-work.js';
import { lodOf } from '../record/request-keys.js';
import { expectedMs, readBacklog, readDurations } from '../scheduling/durations.js';
import { readWaiting, type WaitingKey } from '../scheduling/read-waiting.js';
import { type Halts, isPaused, readHalts } from '../workers/halts.js';
import { instancesAtWork, readWorkers } from '../workers/presence.js';
import { compareInstances } from '../workers/slowness.js';

/** The workers, what operators have paused or drained, and all pools that were ever used or that a worker serves. */
export type FleetOverview = Awaited<ReturnType<typeof readOverview>>;

export type PoolOverview = FleetOverview['pools'][number];

export async function readOverview(redis: Redis, keys: Keys) {
  const [now, used, workers, halts] = await Promise.all([
    redisTime(redis),
    redis.smembers(keys.pools),
    readWorkers(redis, keys),
    readHalts(redis, keys),
  ]);
  const names = [...new Set([...used, ...workers.flatMap(({ pools }) => pools)])].sort();
  const pools = await Promise.all(names.map((pool) => readPool(redis, keys, { pool, workers, halts, now })));
  return { now, pools, workers, halts, slowness: compareInstances(workers) };
}

interface PoolContext {
  readonly pool: string;
  readonly workers: readonly WorkerAnnouncement[];
  readonly halts: Halts;
  readonly now: number;
}

async function readPool(redis: Redis, keys: Keys, { pool, workers, halts, now }: PoolContext) {
  const [open, backlog, waitingKeys, inWork, durations] = await Promise.all([
    redis.zcard(keys.open(pool)),
    readBacklog(redis, keys, pool),
    readWaiting(redis, keys, pool),
    readInWork(redis, keys, pool),
    readDurations(redis, keys, pool),
  ]);
  const heads = waitingKeys.flatMap((key) => (key.heldBack ? [] : key.heads));
  const held = waitingKeys.filter(({ heldBack }) => heldBack);
  const claimed = inWork.filter(({ startedAt }) => startedAt === undefined);
  const lods = LODS.map((lod) => {
    const isOfLod = ({ signature }: JobInWork) => lodOf(signature) === lod;
    const ofLod = claimed.filter(isOfLod);
    const since = [
      ...heads.flatMap((head) => (head.lod === lod ? [head.since] : [])),
      ...ofLod.map(({ createdAt }) => createdAt),
    ];
    const all = sum([...backlog].map(([signature, count]) => (lodOf(signature) === lod ? count : 0)));
    const parked = Math.min(all, sum(held.map((key) => waitingOf(key, lod))));
    return {
      lod,
      /** Jobs that wait for a worker. */
      waiting: all - parked,
      /** Jobs that have not begun, but that a worker has or that wait in ComfyUI behind another prompt. */
      claimed: ofLod.length,
      running: inWork.filter(isOfLod).length - ofLod.length,
      /** Jobs that are held back because their key is at its limit: more instances would not start them sooner. */
      parked,
      /** Age of the oldest job that is waiting or claimed; 0 if there is none. */
      oldestMs: Math.max(0, now - Math.min(now, ...since)),
    };
  });
  // Parked jobs are assumed to be like the others of their level of detail.
  const partOf = new Map(lods.map(({ lod, waiting, parked }) => [lod, waiting / (waiting + parked || 1)]));
  const pending = [
    ...[...backlog].map(([signature, count]) => [signature, count * (partOf.get(lodOf(signature)) ?? 0)] as const),
    ...claimed.map(({ signature }) => [signature, 1] as const),
  ];
  const known = backlogOf(pending, durations);
  const instances = instancesAtWork(workers, halts, pool);
  return {
    pool,
    waitingKeys,
    inWork,
    /** Jobs accepted and not ended. */
    open,
    /** The jobs of each level of detail. */
    lods,
    /** Jobs that wait for a worker. */
    waiting: sum([...backlog.values()]),
    running: sum(lods.map(({ running }) => running)),
    /** Learned durations of executions in ms, by signature, version and lod. */
    durations,
    /** Jobs that are waiting or claimed and whose duration is known, and the sum of these durations in ms. */
    backlog: known,
    /** How many ms one instance would need for all jobs that are waiting or claimed. */
    backlogMs: known.ms + (sum(pending.map(([, count]) => count)) - known.jobs) * LUA_CONSTANTS.UNKNOWN_MS,
    /** Instances that are up or occupied, not drained, and whose worker takes jobs. */
    instances: instances.length,
    /** How many of these instances are occupied. */
    occupied: instances.filter(({ state }) => state === 'occupied').length,
    /** Workers that serve the pool, including those that are stopping. */
    workers: workers.filter(({ pools }) => pools.includes(pool)).length,
    /** Operators have paused the pool or the whole fleet: no jobs of it are claimed. */
    paused: isPaused(halts, pool),
  };
}

function backlogOf(
  pending: readonly (readonly [signature: string, count: number])[],
  durations: ReadonlyMap<string, number>,
) {
  const backlog = { jobs: 0, ms: 0 };
  for (const [signature, count] of pending) {
    const each = expectedMs(signature, durations);
    if (each === undefined) continue;
    backlog.jobs += count;
    backlog.ms += count * each;
  }
  return backlog;
}

/** How many jobs of a key wait. Those in queues that were not read come behind the last one and count as of its level. */
function waitingOf({ jobs, heads }: WaitingKey, lod: Lod): number {
  const unread = Math.max(0, jobs - sum(heads.map((head) => head.jobs)));
  const ofLod = sum(heads.map((head) => (head.lod === lod ? head.jobs : 0)));
  return heads.at(-1)?.lod === lod ? ofLod + unread : ofLod;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
