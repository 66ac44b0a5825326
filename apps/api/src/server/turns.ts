import { setTimeout as delay, setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { FleetError, joinSignals, orAborted } from '@comfy-fleet/contracts';
import pLimit, { type LimitFunction } from 'p-limit';

interface TurnOptions<T> {
  /** When it aborts, its reason is thrown. If the turn has not come yet, the work is dropped, with all that it holds in memory. */
  readonly signal?: AbortSignal;
  /** The turn lasts until the promise that it returns for the result has resolved. */
  readonly sent?: (result: T) => Promise<unknown>;
}

/** Runs work of a key when it is its turn. Throws `rate_limited` if too much work of the key is waiting. */
export type Turns = <T>(key: string, work: () => Promise<T> | T, options?: TurnOptions<T>) => Promise<T>;

const RETRY_AFTER_SECONDS = 1;
/** How much work of one key may wait, but for lists: each is a request, whose body also counts as an upload. */
const MOST_WAITING = 500;
/** Shorter work does not noticeably delay other requests. */
const LONG_MS = 1;
/** How many lists and histories one process reads at a time, for all keys. */
const MOST_READS = 4;
/** A read lasts until its response is sent, since the response of a slow client stays in memory. */
const MOST_READS_OF_KEY = 2;
const MOST_READS_WAITING = 50;
/** How many graphs of a key are in memory as text until they are parsed. Each may have megabytes. */
const MOST_GRAPHS_OF_KEY = 4;
/** How many pictures are decoded, and how many URLs fetched, at a time. Either may last for many seconds. */
const MOST_DECODINGS = 2;
const MOST_DECODINGS_OF_KEY = 1;
/** Even a picture of 40 megapixels usually takes less to decode. */
const REST_AFTER_MS = 3000;
/** How much longer than its work a key rests: so several keys with slow pictures leave decoders to others most of the time. */
const REST_FACTOR = 3;
const MOST_FETCHES = 16;
const MOST_FETCHES_OF_KEY = 4;
/** A host that sends content in tiny chunks keeps the event loop busy until it is refused. */
const REST_AFTER_REFUSAL_MS = 1000;
/**
 * For how many jobs outputs are copied at a time. Of a key one after the other, because copies count as stored once they
 * are made.
 */
const MOST_COPIES = 4;
const MOST_COPIES_OF_KEY = 1;
/** How many tasks start before other requests are served. A batch of a thousand entries takes a tenth of a second. */
const TASKS_OF_A_TURN = 50;

interface TurnsOptions {
  readonly ofKey: number;
  /** How much work of a key may wait. */
  readonly waiting?: number;
  /** After work that took longer, a key rests before its next turn. */
  readonly restAfterMs?: number;
  /** How long it rests after work that failed. */
  readonly restAfterFailureMs?: number;
}

/**
 * Runs `most` pieces of work at a time, and `ofKey` for each key: fewer where work may take long, so that one key does not
 * keep others waiting. Keys take turns, no matter how much work of one is waiting.
 */
export function createTurns(
  most: number,
  { ofKey, waiting = Infinity, restAfterMs = Infinity, restAfterFailureMs = 0 }: TurnsOptions,
): Turns {
  const all = most === Infinity ? undefined : pLimit(most);
  const ofKeys = new Map<string, LimitFunction>(); // one for each API key that was ever used
  return async <T>(key: string, work: () => Promise<T> | T, { signal, sent }: TurnOptions<T> = {}) => {
    const own = ofKeys.get(key) ?? pLimit(ofKey);
    ofKeys.set(key, own);
    if (own.pendingCount >= waiting) throw tooManyWaiting(waiting);
    // What the queue keeps until the turn comes refers to this variable, so that dropped work is released at once.
    let waitingWork: typeof work | undefined = work;
    const turn = new Promise<T>((resolve, reject) => {
      own(async () => {
        let [ms, rest] = [0, 0];
        const run = async () => {
          const began = performance.now();
          try {
            if (waitingWork === undefined) throw signal?.reason;
            return await waitingWork();
          } finally {
            ms = performance.now() - began;
          }
        };
        try {
          const result = await (all === undefined ? run() : all(run));
          resolve(result);
          await sent?.(result);
        } catch (error) {
          reject(error);
          rest = restAfterFailureMs;
        }
        if (ms > restAfterMs) rest = REST_FACTOR * ms;
        if (rest > 0) await delay(rest, undefined, { ref: false });
      });
    });
    try {
      return await (signal === undefined ? turn : orAborted(turn, signal));
    } finally {
      waitingWork = undefined;
    }
  };
}

function tooManyWaiting(most: number): FleetError {
  const detail = `${most} requests of this API key are already waiting for their turn. Send fewer at a time.`;
  return new FleetError('rate_limited', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}

/**
 * Turns for work that blocks the event loop. After a long piece, its key pauses for as long as that piece took: a request of
 * another key needs several turns of the event loop, and would otherwise wait for a piece at each of them. No key starts
 * another piece until the next turn of the event loop.
 */
export function createComputing(): Turns {
  const pauses = new Map<string, Promise<unknown>>();
  const waiting = new Map<string, number>();
  let held: Promise<void> | undefined;
  const count = (key: string, one: 1 | -1) => waiting.set(key, (waiting.get(key) ?? 0) + one);
  return async (key, work, { signal } = {}) => {
    if ((waiting.get(key) ?? 0) >= MOST_WAITING) throw tooManyWaiting(MOST_WAITING);
    for (let pause = pauses.get(key) ?? held; pause !== undefined; pause = pauses.get(key) ?? held) {
      count(key, 1);
      await pause;
      count(key, -1);
      signal?.throwIfAborted();
    }
    const began = performance.now();
    let result: unknown;
    try {
      const done = work();
      result = done;
      return done;
    } finally {
      const ms = performance.now() - began;
      const isLong = ms > LONG_MS;
      if (isLong || result instanceof Promise) {
        const pause = Promise.allSettled([result, isLong && delay(ms)]);
        pauses.set(
          key,
          pause.then(() => pauses.delete(key)),
        );
      }
      if (isLong) {
        held = yieldToEventLoop().then(() => {
          held = undefined;
        });
      }
    }
  };
}

export function createReadTurns(): Turns {
  return createTurns(MOST_READS, { ofKey: MOST_READS_OF_KEY, waiting: MOST_READS_WAITING });
}

/** The turns of a process, by kind of work. */
export type AllTurns = ReturnType<typeof createAllTurns>;

export function createAllTurns() {
  const waiting = MOST_WAITING;
  const decoding = createTurns(MOST_DECODINGS, { ofKey: MOST_DECODINGS_OF_KEY, waiting, restAfterMs: REST_AFTER_MS });
  const visiting = createTurns(Infinity, { ofKey: 1, waiting });
  const decodingForVisitors: Turns = (key, work, options) => visiting(key, () => decoding(key, work, options), options);
  return {
    /** Work that blocks the event loop, such as validating a graph. */
    computing: createComputing(),
    /** Reading lists and histories, so that a key with large jobs neither fills the memory nor delays the others. */
    heavyReads: createReadTurns(),
    /** Reading the graphs of jobs. */
    graphReads: createTurns(Infinity, { ofKey: MOST_GRAPHS_OF_KEY, waiting }),
    /** Decoding pictures. */
    decoding,
    /**
     * The same for visitors without a key, who take the turns of the file's key one at a time: so a key and its links have one
     * decoder together, and visitors do not keep the key from it.
     */
    decodingForVisitors,
    /** Fetching files by URL. */
    fetching: createTurns(MOST_FETCHES, {
      ofKey: MOST_FETCHES_OF_KEY,
      waiting,
      restAfterFailureMs: REST_AFTER_REFUSAL_MS,
    }),
    /** Copying outputs. */
    copying: createTurns(MOST_COPIES, { ofKey: MOST_COPIES_OF_KEY, waiting }),
  };
}

type Task<T> = (signal: AbortSignal) => Promise<T>;

/** Runs the tasks, `atOnce` at a time. When one fails, aborts the others, waits for them to end, and throws the error. */
export async function allOrNone<T>(
  tasks: readonly Task<T>[],
  { atOnce, signal }: { readonly atOnce: number; readonly signal: AbortSignal },
): Promise<T[]> {
  const [first] = tasks;
  if (first === undefined) return [];
  signal.throwIfAborted();
  if (tasks.length === 1) return [await first(signal)];
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
