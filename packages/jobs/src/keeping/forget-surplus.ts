import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** What became of one job that was to be forgotten. */
export type Forgotten = 'forgotten' | 'open' | 'absent';

interface Forgetting {
  readonly redis: Redis;
  readonly keys: Keys;
  /** Forgets one job; with `spare` none whose webhook is still to come. */
  readonly forget: (id: string, options: { spare: boolean }) => Promise<Forgotten>;
}

/** Jobs forgotten in one round trip. */
const PAGE = 200;
/** Jobs of one key looked at in one run: those that stay are looked at again by the next. */
const MOST_LOOKED_AT = 50_000;

/**
 * Forgets the oldest ended jobs of an API key that has more than `mostKept`, and gives the ids of those that went, page
 * by page. Jobs that wait do not count. Callbacks that are still to come are spared while there are no more than twice
 * as many: a receiver that takes none must not make the records pile up.
 */
export async function* forgetSurplus(
  { redis, keys, forget }: Forgetting,
  caller: string,
  mostKept: number,
): AsyncGenerator<readonly string[], undefined> {
  const index = keys.jobsOf(caller);
  const waiting = Number((await redis.hget(keys.waiting, caller)) ?? 0);
  let surplus = (await redis.zcard(index)) - waiting - mostKept;
  let from = '-';
  for (let seen = 0; surplus > 0 && seen < MOST_LOOKED_AT; seen += PAGE) {
    const ids = await redis.zrangebylex(index, from, '+', 'LIMIT', 0, Math.min(PAGE, surplus));
    const last = ids.at(-1);
    if (last === undefined) return;
    from = `(${last}`;
    const spare = surplus <= mostKept;
    const verdicts = await Promise.all(ids.map((id) => forget(id, { spare })));
    const are = (verdict: Forgotten) => ids.filter((_, n) => verdicts[n] === verdict);
    const [gone, absent] = [are('forgotten'), are('absent')];
    // An id is given out once, with its record: one that has none will never have one again.
    if (absent.length > 0) await redis.zrem(index, ...absent);
    surplus -= gone.length + absent.length;
    if (gone.length > 0) yield gone;
  }
}
