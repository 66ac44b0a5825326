import type { Redis } from 'ioredis';
import { readAlerts } from '../alerts/alerts.js';
import { orUnavailable } from '../connection.js';
import { type PoolOverview, readOverview } from '../figures/overview.js';
import { readHistory } from '../history/history.js';
import { readTimeline } from '../history/timeline.js';
import type { Keys } from '../keys.js';
import type { WorkQueues } from '../queue/work-queues.js';
import type { JobSnapshot } from '../record/record.js';
import { signatureOf } from '../record/request-keys.js';
import { expectedMs } from '../scheduling/durations.js';
import { countWaitingByModel, readWaitingModels } from '../scheduling/overview.js';
import { readShares } from '../scheduling/read-shares.js';
import { createAbilityReader } from '../workers/abilities.js';
import { type HaltTarget, halt, readHalts, resume } from '../workers/halts.js';
import { readPorts } from '../workers/presence.js';

/** The workers and their instances. Every method fails with `queue_unavailable` while Redis is away. */
export function createFleet(redis: Redis, keys: Keys, queues: Pick<WorkQueues, 'of'>) {
  const reader = createAbilityReader(redis, keys);
  return {
    overview: () => orUnavailable(() => readOverview(redis, keys)),
    /** Ports of the live workers and their instances. Callers' URLs must not name them on private hosts. */
    ports: () => orUnavailable(() => readPorts(redis, keys)),
    /** The same, with the shares of GPU time, and the models for which the jobs of each pool wait. */
    details: () =>
      orUnavailable(async () => {
        const overview = await readOverview(redis, keys);
        const [shares, ...waitingModels] = await Promise.all([
          readShares(redis, keys, overview),
          ...overview.pools.map((pool) => readWaitingModels(redis, keys, pool)),
        ]);
        return { overview, shares, waitingModels };
      }),
    /** How many jobs wait for each model file; with a key, only its own. */
    waitingByModel: (key?: string) => orUnavailable(() => countWaitingByModel(redis, keys, key)),
    /** The executions of the instances within the last minutes, including current ones. */
    timeline: (minutes: number) => orUnavailable(() => readTimeline(redis, keys, minutes)),
    /** Samples of the fleet within the last minutes, the oldest first. */
    history: (minutes: number) => orUnavailable(() => readHistory(redis, keys, minutes)),
    /** The active alerts. */
    alerts: () => orUnavailable(() => readAlerts(redis, keys)),
    /** See AbilityReader for this and the next three. */
    abilities: (pool: string, classes: readonly string[]) => orUnavailable(() => reader.of(pool, classes)),
    catalogue: (pool: string, classes: readonly string[]) => orUnavailable(() => reader.catalogue(pool, classes)),
    digests: (pool: string) => orUnavailable(() => reader.digests(pool)),
    everything: reader.everything,
    /** What operators have paused or drained. */
    halts: () => orUnavailable(() => readHalts(redis, keys)),
    /** Pauses or drains the target for the operator with this key. Changes nothing if it is paused or drained already. */
    halt: (target: HaltTarget, key: string) => orUnavailable(() => halt(redis, keys, queues, target, key)),
    /** Resumes the target. Changes nothing if it is not paused or drained. */
    resume: (target: HaltTarget) => orUnavailable(() => resume(redis, keys, queues, target)),
  };
}

/** Below this progress, the rest cannot be estimated from it. */
const TELLING_FRACTION = 0.1;

/**
 * In how many seconds the job is expected to end if it waits for nothing but other jobs: the time its pool needs for those
 * before it, and for itself. Null if it has ended or is being canceled, if no duration of similar jobs is known, or if no
 * instance of the pool is up.
 */
export function etaSeconds({ record, ahead }: JobSnapshot, pool: PoolOverview | undefined, now: number): number | null {
  if (pool === undefined || pool.instances === 0) return null;
  const own = expectedMs(signatureOf(record.request), pool.durations);
  if (own === undefined) return null;
  if (record.status === 'running')
    return seconds(remainingMs(record.progress.fraction, now - (record.startedAt ?? now), own));
  if (record.status !== 'queued') return null;
  const each = pool.backlog.jobs > 0 ? pool.backlog.ms / pool.backlog.jobs : own;
  // If every instance is busy, the first one to become free is halfway through its job on average.
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
