import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
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
/** Graphs of one key that wait until they are judged; their bodies count as uploads meanwhile. */
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
 * Turns for work that holds the thread. One piece of work of a key is done at a time, and before its next one the event loop
 * does what else is waiting, so that another key waits for one graph, not for all that this key has sent.
 */
export function createComputing(): Turns {
  const turns = createTurns(Number.POSITIVE_INFINITY, { ofKey: 1, waiting: MOST_WAITING });
  return (key, work) =>
    turns(key, async () => {
      const began = performance.now();
      try {
        return await work();
      } finally {
        if (performance.now() - began > LONG_MS) await yieldToEventLoop();
      }
    });
}

/** Lists and histories that one process reads at a time, of all keys. */
const MOST_AT_ONCE = 4;
/** Reads of one key at a time. A read lasts until its answer is sent, since a slow client keeps it in memory. */
const MOST_OF_KEY = 2;
/** Requests of one key that wait for their turn. */
const MOST_READS_WAITING = 50;

/**
 * Gives lists and histories of a key their turn, so that one key with large jobs neither fills the memory nor delays the
 * requests of others.
 */
export function createHeavyReads(): Turns {
  return createTurns(MOST_AT_ONCE, { ofKey: MOST_OF_KEY, waiting: MOST_READS_WAITING });
}

/** Tasks that begin before other requests get a turn: a thousand entries of a batch take a tenth of a second. */
const TASKS_OF_A_TURN = 50;

type Task<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Does all of them, `atOnce` at a time. When one fails the others are given up and waited for, and what it threw is thrown.
 */
export async function allOrNone<T>(
  tasks: readonly Task<T>[],
  { atOnce, signal }: { readonly atOnce: number; readonly signal: AbortSignal },
): Promise<T[]> {
  if (tasks.length === 0) return [];
  const limit = pLimit(atOnce);
  const joined = joinSignals([signal]);
  const running = tasks.map((task, index) =>
    limit(async () => {
      if (index % TASKS_OF_A_TURN === TASKS_OF_A_TURN - 1) await yieldToEventLoop();
      joined.signal.throwIfAborted();
      return task(joined.signal);
    }),
  );
  try {
    return await Promise.all(running);
  } catch (error) {
    joined.abort(error);
    await Promise.allSettled(running);
    throw error;
  } finally {
    joined.end();
  }
}
