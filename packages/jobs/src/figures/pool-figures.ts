import { LODS, type Lod, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
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

type LodReply = readonly [notBegun: number, oldest: string, parked: number, claimed: number, running: number];

export async function readPoolFigures(redis: Redis, keys: Keys, context: PoolContext) {
  const { pool, workers, halts, now } = context;
  const [replies, backlog, durations] = await Promise.all([
    runScript(redis, 'lodFigures', keys.open(pool), keys.prefix, { pool, lods: LODS }) as Promise<LodReply[]>,
    readBacklog(redis, keys, pool),
    readDurations(redis, keys, pool),
  ]);
  const serving = workers.filter(({ pools }) => pools.includes(pool));
  return {
    pool,
    lods: LODS.map((lod, index) => lodFigures(lod, replies[index] as LodReply, now)),
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

/** The jobs of one level of detail in a pool. */
function lodFigures(lod: Lod, [notBegun, oldest, parked, claimed, running]: LodReply, now: number) {
  const oldestMs = oldest === '' ? 0 : Math.max(0, now - Number(oldest));
  return {
    lod,
    /** Jobs that have not begun and that no worker has. */
    waiting: Math.max(0, notBegun - claimed),
    /** Jobs that have not begun, but that a worker has or that wait in ComfyUI behind another prompt. */
    claimed,
    running,
    /** Jobs that are held back because their key is at its limit. */
    parked,
    /** Age of the oldest job that is waiting or claimed; 0 if there is none. */
    oldestMs,
  };
}
