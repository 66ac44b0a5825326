import { setTimeout as delay } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import pLimit, { type LimitFunction } from 'p-limit';

/**
 * Gives work of a key its turn. The key's turn ends when `sent`, if there is one, has resolved. Throws `rate_limited` if too
 * much work of the key waits.
 */
export type Turns = <T>(key: string, work: () => Promise<T> | T, sent?: (result: T) => Promise<unknown>) => Promise<T>;

interface LimitsOfKey {
  /** Turns of one key at a time. */
  readonly ofKey?: number;
  /** Work of one key that waits for its turn. */
  readonly waiting?: number;
}

const RETRY_AFTER_SECONDS = 1;
/** Bodies and graphs of one key that wait until they are parsed or judged; those of graphs count as uploads meanwhile. */
const MOST_WAITING = 500;
/** Work that takes less time than this holds up nobody. */
const LONG_MS = 1;

/**
 * `most` at a time, of all keys. At most `ofKey` of one key are in work or wait among the work of other keys, however much
 * the key has.
 */
export function createTurns(
  most: number,
  { ofKey = most, waiting = Number.POSITIVE_INFINITY }: LimitsOfKey = {},
): Turns {
  const all = pLimit(most);
  const ofKeys = new Map<string, LimitFunction>();
  return (key, work, sent) => {
    const own = ofKeys.get(key) ?? pLimit(ofKey);
    if (own.pendingCount >= waiting) {
      const detail = `${waiting} requests of this API key wait for their turn already. Send fewer at a time.`;
      return Promise.reject(new FleetError('rate_limited', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS }));
    }
    ofKeys.set(key, own);
    return new Promise((resolve, reject) => {
      own(async () => {
        const result = await all(work);
        resolve(result);
        await sent?.(result);
      })
        .catch(reject)
        .finally(() => {
          if (own.activeCount + own.pendingCount === 0) ofKeys.delete(key);
        });
    });
  };
}

/**
 * Turns for work that holds the thread. One piece of work of a key is done at a time, and the key then pauses for as long as
 * that piece took. A request of another key needs several turns of the event loop: without the pause it would wait for a
 * piece at each of them.
 */
export function createComputing(): Turns {
  const turns = createTurns(Number.POSITIVE_INFINITY, { ofKey: 1, waiting: MOST_WAITING });
  return (key, work) =>
    turns(key, async () => {
      const began = performance.now();
      try {
        return await work();
      } finally {
        const ms = performance.now() - began;
        if (ms > LONG_MS) await delay(ms);
      }
    });
}
