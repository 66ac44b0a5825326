import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@comfy-fleet/telemetry';
import { Job, type JobsOptions, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** How a work item ends: `completed` with the names of the outputs, or `failed` with a code and what went wrong. */
export type ItemEnd =
  | { readonly kind: 'completed'; readonly outputs: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string };

/** A work item in our hands: its lock is renewed until one of these is called. None throws or waits. */
export interface WorkItem {
  readonly id: string;
  /** Names this taking of the item, and no other. */
  readonly token: string;
  /** The job has ended: the item is kept for operators. */
  end(end: ItemEnd): void;
  /** The job ended without us, or is gone: the item goes away. */
  drop(): void;
  /** Back into the queue, for whoever asks first after `delayMs`. */
  giveBack(delayMs: number): void;
  /** It is not ours any more, or not to be touched: whoever has its lock keeps it, and without one it is handed out. */
  abandon(): void;
}

export interface PoolWorkerOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly pool: string;
  /** Renewed at half; a dead worker's items are handed out again when it has run out. */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** How many completed items are kept for operators, and how many failed ones. */
  readonly keptWorkItems: number;
  readonly log: Logger;
}

/** How long one look for work may block, in ms; a stopping worker waits for it. */
const BLOCK_MS = 1000;
/** The shortest one: a timeout of 0 would have no end. */
const SHORTEST_BLOCK_MS = 10;
const ERROR_PAUSE_MS = 500;

/**
 * BullMQ's worker without its loop, because `scheduling/choose.ts` chooses which item is taken next. Ends, delays, the renewal of
 * locks and the check for stalled items are BullMQ's public methods. Its wait for the queue's marker (`backend.waitForJob`)
 * is not public: `getNextJob` waits as well, but takes an item itself. pool-worker.redis.test.ts holds all that.
 */
export class PoolWorker extends Worker {
  readonly #options: PoolWorkerOptions;
  /** The items in hand by token; after a lost lock an item may come to this very process again. */
  readonly #held = new Map<string, { readonly id: string; readonly settled: Promise<void> }>();
  readonly #looking = new Set<Promise<unknown>>();
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
      // Claims are counted by the ledger; BullMQ would fail the item without asking.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    this.#options = options;
    this.on('error', (error) => log.debug('work queue error', { pool, error }));
  }

  async begin(): Promise<void> {
    this.#renewal = setInterval(() => void this.#renew(), this.#options.lockMs / 2).unref();
    await this.startStalledCheckTimer();
  }

  /** Closing waits for what `look` does: it may take an item. */
  async track<T>(look: () => Promise<T>): Promise<T> {
    const looking = look();
    this.#looking.add(looking);
    try {
      return await looking;
    } finally {
      this.#looking.delete(looking);
    }
  }

  /** Waits until there may be work, BLOCK_MS at most, or until a moment (ms since 1970). One at a time may wait. */
  async waitForWork(at: number | undefined): Promise<void> {
    const ms = Math.min(BLOCK_MS, (at ?? Number.POSITIVE_INFINITY) - Date.now());
    try {
      await this.backend.waitForJob(Math.max(SHORTEST_BLOCK_MS, ms) / 1000);
    } catch (error) {
      this.emit('error', error as Error);
      await pause(ERROR_PAUSE_MS);
      await this.backend.reconnectBlocking();
    }
  }

  /** Names a taking of an item before it is known which. */
  newToken(): string {
    return `${this.id}:${this.#tokens++}`;
  }

  /** An item that was taken with that token: its lock is renewed from now on. */
  hold(id: string, token: string): WorkItem {
    let settled = () => {};
    this.#held.set(token, { id, settled: new Promise((resolve) => (settled = resolve)) });
    const { keptWorkItems, pool, log } = this.#options;
    const kept = { removeOnComplete: { count: keptWorkItems }, removeOnFail: { count: keptWorkItems } };
    // A stack trace would say nothing: what failed is in a ComfyUI.
    const job = (options: JobsOptions) => new Job(this, '', {}, { ...options, stackTraceLimit: 0 }, id);
    const settle = (how: () => Promise<unknown>) => {
      how()
        // The lock was lost: the fence of the ledger has made it harmless.
        .catch((error: unknown) => log.debug('work item was not settled', { pool, job: id, error }))
        .finally(() => {
          this.#held.delete(token);
          settled();
        });
    };
    return {
      id,
      token,
      end: (end) =>
        settle(() =>
          end.kind === 'completed'
            ? job(kept).moveToCompleted(end.outputs, token, false)
            : job(kept).moveToFailed(new Error(end.reason), token, false),
        ),
      drop: () => settle(() => job({ removeOnComplete: true }).moveToCompleted([], token, false)),
      // Unlike moveToWait this uses up no attempt, and wakes a worker.
      giveBack: (delayMs) => settle(() => job({}).moveToDelayed(Date.now() + delayMs, token)),
      abandon: () => settle(async () => {}),
    };
  }

  /** Whether this process has the item. */
  has(id: string): boolean {
    return [...this.#held.values()].some((one) => one.id === id);
  }

  /** Waits for the looks for work that are under way and until every item in hand is settled, then closes. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#looking);
    await Promise.all([...this.#held.values()].map(({ settled }) => settled));
    clearInterval(this.#renewal);
    await this.close();
  }

  async #renew(): Promise<void> {
    const { lockMs, log } = this.#options;
    if (this.#held.size === 0) return;
    const ids = [...this.#held.values()].map(({ id }) => id);
    await this.extendJobLocks(ids, [...this.#held.keys()], lockMs).catch((error: unknown) =>
      log.debug('locks were not renewed', { error }),
    );
  }
}
