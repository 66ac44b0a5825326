import type { InstanceAbilities, WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Catalogue } from '@comfy-fleet/workflows';
import type { Redis } from 'ioredis';
import { type Alerts, readAlerts } from '../alerts/alerts.js';
import { orUnavailable } from '../connection.js';
import { readHistory, type Step } from '../history/history.js';
import { readTimeline, type Timeline, type TimelineQuery } from '../history/timeline.js';
import type { Keys } from '../keys.js';
import { countWaitingItems, type WorkQueues } from '../queue/work-queues.js';
import type { JobSnapshot } from '../record/record.js';
import { signatureOf } from '../record/request-keys.js';
import { expectedMs, readBacklog, readDurations } from '../scheduling/durations.js';
import { readScheduling, type SchedulingOverview } from '../scheduling/overview.js';
import { createAbilityReader } from '../workers/abilities.js';
import { type Halts, type HaltTarget, halt, isPaused, readHalts, resume } from '../workers/halts.js';
import { instancesAtWork, readPorts, readWorkers } from '../workers/presence.js';
import { readSlowness } from '../workers/slowness.js';

export interface PoolOverview {
  readonly pool: string;
  /** Accepted and not ended. */
  readonly open: number;
  /** In the queue, taken by nobody. */
  readonly waiting: number;
  /** Executing. */
  readonly running: number;
  /** Instances that are up or occupied, not halted, and whose worker takes jobs. */
  readonly instances: number;
  /** Those of them that are occupied. */
  readonly occupied: number;
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

/** The workers and their instances. Every method fails with `queue_unavailable` while Redis is away. */
export interface Fleet {
  overview(): Promise<FleetOverview>;
  /** Ports of the live workers and their instances, which no URL of a caller may name on a private host. */
  ports(): Promise<readonly number[]>;
  /** What keys get of the GPU time, and what waits for which models. */
  scheduling(): Promise<SchedulingOverview>;
  /**
   * What the instances executed within so many minutes, and execute; of those that ended, at most so many of each
   * instance.
   */
  timeline(wish: TimelineQuery): Promise<Timeline>;
  /** How the fleet fared within so many minutes, the oldest first. */
  history(minutes: number): Promise<readonly Step[]>;
  /** Which alerts stand. */
  alerts(): Promise<Alerts>;
  /** What the instances of a pool that were seen within a day have of these node classes, at most two seconds ago. */
  abilities(pool: string, classes: readonly string[]): Promise<readonly InstanceAbilities[]>;
  /** How they together describe these node classes; undefined while nothing is known of any. */
  catalogue(pool: string, classes: readonly string[]): Promise<Catalogue | undefined>;
  /** Digests of what they have; while these are the same, so is all that is said of the pool here. */
  digests(pool: string): Promise<readonly string[]>;
  /** The same of all classes, one after the other. */
  everything(pool: string): AsyncIterable<readonly [name: string, description: unknown]>;
  /** What operators have halted, as it is now. */
  halts(): Promise<Halts>;
  /** Halts it by the word of the key; what is halted already stays as it was. */
  halt(target: HaltTarget, key: string): Promise<void>;
  /** Has it go on; nothing changes when it was not halted. */
  resume(target: HaltTarget): Promise<void>;
}

export function createFleet(redis: Redis, keys: Keys, queues: Pick<WorkQueues, 'of'>): Fleet {
  const reader = createAbilityReader(redis, keys);
  return {
    overview: () => orUnavailable(() => readOverview(redis, keys)),
    ports: () => orUnavailable(() => readPorts(redis, keys)),
    scheduling: () => orUnavailable(() => readScheduling(redis, keys)),
    timeline: (wish) => orUnavailable(() => readTimeline(redis, keys, wish)),
    history: (minutes) => orUnavailable(() => readHistory(redis, keys, minutes)),
    alerts: () => orUnavailable(() => readAlerts(redis, keys)),
    abilities: (pool, classes) => orUnavailable(() => reader.of(pool, classes)),
    catalogue: (pool, classes) => orUnavailable(() => reader.catalogue(pool, classes)),
    digests: (pool) => orUnavailable(() => reader.digests(pool)),
    everything: reader.everything,
    halts: () => orUnavailable(() => readHalts(redis, keys)),
    halt: (target, key) => orUnavailable(() => halt(redis, keys, queues, target, key)),
    resume: (target) => orUnavailable(() => resume(redis, keys, queues, target)),
  };
}

/** Pools that a job went to, and pools that a worker serves, in the order of their names. */
async function readOverview(redis: Redis, keys: Keys): Promise<FleetOverview> {
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
  const [open, running, waiting, backlog, durations] = await Promise.all([
    redis.zcard(keys.open(pool)),
    redis.scard(keys.running(pool)),
    countWaitingItems(redis, keys, pool),
    readBacklog(redis, keys, pool),
    readDurations(redis, keys, pool),
  ]);
  const instances = instancesAtWork(workers, halts, pool);
  return {
    pool,
    open,
    waiting,
    running,
    instances: instances.length,
    occupied: instances.filter(({ state }) => state === 'occupied').length,
    paused: isPaused(halts, pool),
    durations,
    backlog: sum(backlog, durations),
  };
}

function sum(waiting: ReadonlyMap<string, number>, durations: ReadonlyMap<string, number>) {
  const backlog = { jobs: 0, ms: 0 };
  for (const [signature, count] of waiting) {
    const each = expectedMs(signature, durations);
    if (each === undefined) continue;
    backlog.jobs += count;
    backlog.ms += count * each;
  }
  return backlog;
}

/** Progress below this says too little about how long the rest takes. */
const TELLING_FRACTION = 0.1;

/**
 * In how many seconds the job is expected to end: what its pool takes for those before it, and then for itself. Null
 * when it ended or is being canceled, while nothing was learned of its kind, while no instance of the pool is up, and,
 * of a job that has not begun, while the pool is paused.
 */
export function etaSeconds({ record, ahead }: JobSnapshot, pool: PoolOverview | undefined, now: number): number | null {
  const own = pool && expectedMs(signatureOf(record.request), pool.durations);
  if (own === undefined || pool === undefined || pool.instances === 0) return null;
  if (record.status === 'running')
    return seconds(remainingMs(record.progress.fraction, now - (record.startedAt ?? now), own));
  if (record.status !== 'queued' || pool.paused) return null;
  const each = pool.backlog.jobs > 0 ? pool.backlog.ms / pool.backlog.jobs : own;
  // When every instance is busy, the first to be free is on average half through.
  const untilFree = pool.running + pool.occupied >= pool.instances ? each / 2 / pool.instances : 0;
  return seconds(untilFree + ((ahead ?? 0) * each) / pool.instances + own);
}

function remainingMs(fraction: number, elapsedMs: number, expected: number): number {
  if (fraction >= TELLING_FRACTION) return (elapsedMs * (1 - fraction)) / fraction;
  return expected - elapsedMs;
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
