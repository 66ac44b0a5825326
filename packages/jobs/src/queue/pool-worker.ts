import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@comfy-fleet/telemetry';
import { Job, type JobsOptions, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';

/** How a work item ends: `completed` with the names of the outputs, or `failed` with a code and a reason. */
export type ItemEnd =
  | { readonly kind: 'completed'; readonly outputs: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string };

/**
 * A work item that this process holds. Its lock is renewed until one of these methods is called. None of them throws or
 * blocks.
 */
export type WorkItem = ReturnType<PoolWorker['hold']>;

export interface PoolWorkerOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly pool: string;
  /** How long a lock lasts. It is renewed at half of that; the items of a dead worker are handed out again after it. */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly log: Logger;
}

/** How long one wait for work may block, in ms. A stopping worker waits for it to end. */
const BLOCK_MS = 1000;
/** The shortest wait: a timeout of 0 would block forever. */
const SHORTEST_BLOCK_MS = 10;
const ERROR_PAUSE_MS = 500;

/**
 * BullMQ's worker without its loop, because `scheduling/choose.ts` decides which item is taken next. It ends, delays
 * and renews items and checks for stalled ones with BullMQ's public methods. Waiting for the queue's marker
 * (`backend.waitForJob`) is not public; the public `getNextJob` takes an item itself. pool-worker.redis.test.ts covers
 * all of this.
 */
export class PoolWorker extends Worker {
  readonly #options: PoolWorkerOptions;
  /** The held items by token. After a lost lock, this process may get the same item again. */
  readonly #held = new Map<string, { readonly id: string; readonly settled: Promise<void> }>();
  readonly #tracked = new Set<Promise<unknown>>();
  #renewal: NodeJS.Timeout | undefined;
  #tokens = 0;

  constructor(options: PoolWorkerOptions) {
    const { redis, keys, pool, lockMs, stalledCheckMs, log } = options;
    super(keys.queueName(pool), null, {
      connection: redis,
      prefix: keys.prefix,
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: stalledCheckMs,
      // The ledger counts deaths of workers; BullMQ would fail the item without asking it.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    this.#options = options;
    this.on('error', (error) => log.debug('work queue error', { pool, error }));
  }

  async begin(): Promise<void> {
    this.#renewal = setInterval(() => void this.#renew(), this.#options.lockMs / 2).unref();
    await this.startStalledCheckTimer();
  }

  /** Closing waits for `action` to end, because it may take an item. */
  async track<T>(action: () => Promise<T>): Promise<T> {
    const running = action();
    this.#tracked.add(running);
    try {
      return await running;
    } finally {
      this.#tracked.delete(running);
    }
  }

  /**
   * Waits until there may be work, for at most BLOCK_MS and not after `at` (ms since 1970). Returns how many workers had
   * this wake-up before and could not use it; undefined if the time is up. Only one call at a time.
   */
  async waitForWork(at: number | undefined): Promise<number | undefined> {
    const ms = Math.min(BLOCK_MS, (at ?? Number.POSITIVE_INFINITY) - Date.now());
    try {
      const marker = await this.backend.waitForJob(Math.max(SHORTEST_BLOCK_MS, ms) / 1000);
      // The score of the other marker, of delayed items, is a time.
      if (marker !== null) return marker.member === '0' ? marker.score : 0;
    } catch (error) {
      this.emit('error', error as Error);
      await pause(ERROR_PAUSE_MS);
      await this.backend.reconnectBlocking();
    }
    return undefined;
  }

  /** A token for the next lock, before it is known on which item. */
  newToken(): string {
    return `${this.id}:${this.#tokens++}`;
  }

  /** Holds an item that was taken with this token: its lock is renewed from now on. */
  hold(id: string, token: string) {
    let settled = () => {};
    this.#held.set(token, { id, settled: new Promise((resolve) => (settled = resolve)) });
    const { pool, log } = this.#options;
    const count = LUA_CONSTANTS.KEPT_WORK_ITEMS;
    const kept = { removeOnComplete: { count }, removeOnFail: { count } };
    // A stack trace would be useless, since the failure happened in a ComfyUI.
    const job = (options: JobsOptions) => new Job(this, '', {}, { ...options, stackTraceLimit: 0 }, id);
    const settle = (end: () => Promise<unknown>) => {
      end()
        // The lock was lost, which the fence of the ledger makes harmless.
        .catch((error: unknown) => log.debug('settling a work item failed', { pool, job: id, error }))
        .finally(() => {
          this.#held.delete(token);
          settled();
        });
    };
    return {
      /** Identifies this lock on the item. */
      token,
      /** The job has ended; the item is kept for operators. */
      end: (end: ItemEnd) =>
        settle(() =>
          end.kind === 'completed'
            ? job(kept).moveToCompleted(end.outputs, token, false)
            : job(kept).moveToFailed(new Error(end.reason), token, false),
        ),
      /**
       * Returns the item to the queue, where any worker may take it after `delayMs`. Unlike moveToWait, moveToDelayed
       * uses up no attempt and wakes a worker.
       */
      giveBack: (delayMs: number) => settle(() => job({}).moveToDelayed(Date.now() + delayMs, token)),
      /**
       * Stops renewing the lock and leaves the item as it is: it may be locked by another worker; if not, it is handed out
       * again when the lock expires.
       */
      abandon: () => settle(async () => {}),
    };
  }

  /** Whether this process holds the item. */
  has(id: string): boolean {
    return [...this.#held.values()].some((one) => one.id === id);
  }

  /** Waits until nothing looks for work any more and every held item is settled, then closes. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#tracked);
    await Promise.all([...this.#held.values()].map(({ settled }) => settled));
    clearInterval(this.#renewal);
    await this.close();
  }

  async #renew(): Promise<void> {
    const { lockMs, log } = this.#options;
    if (this.#held.size === 0) return;
    const ids = [...this.#held.values()].map(({ id }) => id);
    await this.extendJobLocks(ids, [...this.#held.keys()], lockMs).catch((error: unknown) =>
      log.debug('renewing locks failed', { error }),
    );
  }
}
