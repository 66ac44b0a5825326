import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { fieldsOf } from '../record/record.js';
import { type Chooser, isRefused, type Rules } from './choose.js';
import { instancesOf, numberOrNone } from './snapshot.js';

/** A job whose prompt waits behind another one in a ComfyUI. */
export interface BehindJob {
  readonly id: string;
  readonly key: string;
  readonly affinity: string;
  /** The worker that holds it. */
  readonly holder: string;
  /** When it is expected to start there, in ms since 1970 by Redis' clock. */
  readonly startsAt: number;
  /** How many ms the idle instance would load models for it; -1 if it cannot run it, undefined if that is unknown. */
  readonly loadMs: number | undefined;
  readonly failedOn: readonly string[];
  /** When an idle instance last recalled it. */
  readonly movedAt: number | undefined;
}

/** How many of these jobs are read, those that would start last. */
const MOST_JOBS = 16;

/** Reads the jobs of a pool that an idle instance may recall. Jobs that would start last come first. */
export async function readBehind(redis: Redis, keys: Keys, pool: string, instance: string) {
  const [now, last] = await Promise.all([
    redisTime(redis),
    redis.zrevrange(keys.behindOthers(pool), 0, MOST_JOBS - 1, 'WITHSCORES'),
  ]);
  const read = async ([id, startsAt]: readonly [string, string]): Promise<BehindJob[]> => {
    const fields = ['key', 'affinity', 'worker', 'faults', 'moved_at'] as const;
    const [key, affinity, holder, faults, movedAt] = await redis.hmget(keys.job(id), ...fields);
    if (!key || !affinity || !holder) {
      await redis.zrem(keys.behindOthers(pool), id);
      return [];
    }
    const loadMs = numberOrNone(await redis.hget(keys.fits(instance), affinity));
    const [failedOn, moved] = [instancesOf(faults), numberOrNone(movedAt)];
    return [{ id, key, affinity, holder, startsAt: Number(startsAt), loadMs, failedOn, movedAt: moved }];
  };
  return { now, jobs: (await Promise.all(Object.entries(fieldsOf(last)).map(read))).flat() };
}

/**
 * Chooses the job that an idle instance recalls: the first one for which it would load models faster than the job would
 * start where it waits, or for which it loads nothing. Skips jobs that failed on it, and jobs that were moved within
 * the patience.
 */
export function chooseBehind(now: number, jobs: readonly BehindJob[], chooser: Chooser, { patienceMs }: Rules) {
  return jobs.find(({ key, affinity, startsAt, loadMs, failedOn, movedAt }) => {
    if (isRefused(key, affinity, chooser) || failedOn.includes(chooser.name)) return false;
    if (movedAt !== undefined && Math.abs(now - movedAt) < patienceMs) return false;
    const load = loadMs ?? chooser.loads?.get(affinity) ?? -1;
    return load === 0 || (load > 0 && Math.abs(startsAt - now) > load);
  });
}
