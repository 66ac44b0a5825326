import { FleetError } from '@comfy-fleet/contracts';
import pLimit, { type LimitFunction } from 'p-limit';

/** Lists and histories that one process reads at a time, of all keys. */
const MOST_AT_ONCE = 4;
/** Reads of one key at a time. A read lasts until its answer is sent, since a slow client keeps it in memory. */
const MOST_OF_KEY = 2;
/** Requests of one key that wait for their turn. */
const MOST_WAITING = 50;
const RETRY_AFTER_SECONDS = 1;

/**
 * Gives lists and histories of a key their turn, so that one key with large jobs neither fills the memory nor delays the
 * requests of others. A turn ends when `sent` resolves. Throws `rate_limited` if too many requests of the key wait.
 */
export type HeavyReads = <T>(key: string, read: () => Promise<T>, sent?: (answer: T) => Promise<unknown>) => Promise<T>;

export function createHeavyReads(): HeavyReads {
  const all = pLimit(MOST_AT_ONCE);
  const ofKeys = new Map<string, LimitFunction>();
  return (key, read, sent) => {
    const ofKey = ofKeys.get(key) ?? pLimit(MOST_OF_KEY);
    if (ofKey.pendingCount >= MOST_WAITING) {
      const detail = `${MOST_WAITING} lists and histories of this API key wait to be read already. Ask for fewer at a time.`;
      return Promise.reject(new FleetError('rate_limited', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS }));
    }
    ofKeys.set(key, ofKey);
    return new Promise((resolve, reject) => {
      ofKey(async () => {
        const answer = await all(read);
        resolve(answer);
        await sent?.(answer);
      })
        .catch(reject)
        .finally(() => {
          if (ofKey.activeCount + ofKey.pendingCount === 0) ofKeys.delete(key);
        });
    });
  };
}
