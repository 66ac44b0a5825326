import { LODS, type Lod, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { readInWork } from '../record/jobs-in-work.js';
import { fieldsOf } from '../record/record.js';
import { lodOf } from '../record/request-keys.js';
import { expectedMs, readBacklog, readDurations } from '../scheduling/durations.js';
import { type Halts, isPaused } from '../workers/halts.js';
import { instancesAtWork } from '../workers/presence.js';

interface PoolContext {
  readonly pool: string;
  readonly workers: readonly WorkerAnnouncement[];
  readonly halts: Halts;
  readonly now: number;
}

/**
 * Assumed duration of an execution if nothing was learned for its signature, workflow or lod: about a mid on a common
 * card.
 */
const UNKNOWN_MS = 10_000;

export async function readPoolFigures(redis: Redis, keys: Keys, context: PoolContext) {
  const { pool, workers, halts, now } = context;
  const [{ backlog, parked, heldBack }, inWork, durations] = await Promise.all([
    readBacklog(redis, keys, pool),
    readInWork(redis, keys, pool),
    readDurations(redis, keys, pool),
  ]);
  const isHeldBack = new Set(heldBack);
  const oldest = await Promise.all(LODS.map((lod) => readOldest(redis, keys.lodBacklog(pool, lod), keys, isHeldBack)));
  const serving = workers.filter(({ pools }) => pools.includes(pool));
  return {
    pool,
    /** The jobs of each level of detail. */
    lods: LODS.map((lod, n) => {
      const ofLod = inWork.filter(({ signature }) => lodOf(signature) === lod);
      const claimed = ofLod.filter(({ startedAt }) => startedAt === undefined).length;
      const at = oldest[n];
      return {
        lod,
        /** Jobs that have not begun and that no worker has. */
        waiting: Math.max(0, countOf(backlog, lod) - claimed),
        /** Jobs that have not begun, but that a worker has or that wait in ComfyUI behind another prompt. */
        claimed,
        running: ofLod.length - claimed,
        /** Jobs that are held back because their key is at its limit. */
        parked: countOf(parked, lod),
        /** Age of the oldest job that is waiting or claimed; 0 if there is none. */
        oldestMs: at === undefined ? 0 : Math.max(0, now - at),
      };
    }),
    /** How many ms one instance would need for the jobs that are waiting or claimed. */
    backlogMs: [...backlog]
      .map(([signature, count]) => count * (expectedMs(signature, durations) ?? UNKNOWN_MS))
      .reduce((sum, ms) => sum + ms, 0),
    /** Instances that are up or occupied, and not drained. */
    instances: instancesAtWork(workers, halts, pool).length,
    /** Workers that serve the pool, including those that are stopping. */
    workers: serving.length,
    paused: isPaused(halts, pool),
  };
}

function countOf(jobs: ReadonlyMap<string, number>, lod: Lod): number {
  return [...jobs].reduce((sum, [signature, count]) => sum + (lodOf(signature) === lod ? count : 0), 0);
}

/** Jobs of a level of detail that are read to find the oldest one that is not held back. */
const MOST_PASSED_OVER = 100;

/** When the oldest job was created that is claimed or may be claimed; undefined if there is none among the first. */
async function readOldest(redis: Redis, lane: string, keys: Keys, isHeldBack: ReadonlySet<string>) {
  const jobs = Object.entries(fieldsOf(await redis.zrange(lane, '0', `${MOST_PASSED_OVER - 1}`, 'WITHSCORES')));
  const records = await Promise.all(jobs.map(([id]) => redis.hmget(keys.job(id), 'key', 'phase')));
  const first = records.findIndex(([key, phase]) => phase !== 'waiting' || !isHeldBack.has(key ?? ''));
  return first < 0 ? undefined : Number(jobs[first]?.[1]);
}
