import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { ALL_JOBS, above, idOfMember } from '../record/indexes.js';
import { pruneJobs } from './prune-indexes.js';

/** The result of forgetting a job. */
export type Forgotten = 'forgotten' | 'open' | 'absent';

interface Forgetting {
  readonly redis: Redis;
  readonly keys: Keys;
  /** Forgets a job. With `spare`, jobs with an undelivered webhook stay. */
  readonly forget: (id: string, options: { spare: boolean }) => Promise<Forgotten>;
}

/** How much an API key may keep. */
export interface KeyBounds {
  /** Ended jobs. */
  readonly jobs: number;
  /** Bytes that its waiting and ended jobs hold. */
  readonly bytes: number;
}

/** Jobs forgotten in one round trip. */
const PAGE = 200;
/** Maximum number of jobs of a key that are examined in one run. Those that stay are examined again by the next run. */
const MOST_LOOKED_AT = 50_000;
/**
 * Ended jobs are forgotten until the key holds this fraction of its bytes, so that new jobs find space until the next
 * run.
 */
const KEPT_BYTES = 0.75;
/** Above this fraction, jobs with an undelivered webhook are forgotten, too. */
const SPARED_BYTES = 0.875;
/**
 * Jobs that ended within this time are not forgotten for their bytes, because their callers may not have seen the
 * result.
 */
const RECENT_MS = 600_000;

/**
 * Forgets the oldest ended jobs of an API key that has too many, or whose jobs hold too many bytes, and yields their
 * ids page by page. Waiting jobs count only for their bytes. Jobs with an undelivered webhook stay while there are at
 * most twice as many: a receiver that accepts nothing must not make records pile up.
 */
export async function* forgetSurplus(
  { redis, keys, forget }: Forgetting,
  caller: string,
  most: KeyBounds,
): AsyncGenerator<readonly string[], undefined> {
  const index = keys.jobsOf(caller);
  const now = await redisTime(redis);
  const waiting = Number((await redis.hget(keys.callers, caller)) ?? 0);
  let surplus = (await redis.zlexcount(index, `[${ALL_JOBS}`, above(ALL_JOBS))) - waiting - most.jobs;
  let held = bytesIn(await redis.hget(keys.jobBytes(caller), 'total'));
  const isTooMuch = () => surplus > 0 || held > most.bytes * KEPT_BYTES;
  let from = `[${ALL_JOBS}`;
  for (let seen = 0; isTooMuch() && seen < MOST_LOOKED_AT; seen += PAGE) {
    const members = await redis.zrangebylex(index, from, above(ALL_JOBS), 'LIMIT', 0, PAGE);
    if (members.length === 0) return;
    const ids = members.map((member) => idOfMember(member));
    const bytes = (await redis.hmget(keys.jobBytes(caller), ...ids)).map(bytesIn);
    const finished = await Promise.all(ids.map((id) => redis.hget(keys.job(id), 'finished_at')));
    const spare = surplus <= most.jobs && held <= most.bytes * SPARED_BYTES;
    const chosen: number[] = [];
    let [left, leftBytes] = [surplus, held - most.bytes * KEPT_BYTES];
    for (let n = 0; n < ids.length && (left > 0 || leftBytes > 0); n += 1) {
      from = `(${members[n]}`;
      const isOld = now - Number(finished[n] ?? now) > RECENT_MS;
      if (left <= 0 && !isOld) continue;
      chosen.push(n);
      left -= 1;
      leftBytes -= bytes[n] ?? 0;
    }
    const verdicts = await Promise.all(chosen.map((n) => forget(ids[n] as string, { spare })));
    const are = (verdict: Forgotten) => chosen.filter((_, at) => verdicts[at] === verdict);
    const [gone, absent] = [are('forgotten'), are('absent')];
    await pruneJobs(
      redis,
      keys,
      caller,
      absent.map((n) => members[n] as string),
    );
    surplus -= gone.length + absent.length;
    for (const n of [...gone, ...absent]) held -= bytes[n] ?? 0;
    yield gone.map((n) => ids[n] as string);
  }
}

function bytesIn(field: string | null | undefined): number {
  return Number.parseInt(field ?? '0', 10);
}
