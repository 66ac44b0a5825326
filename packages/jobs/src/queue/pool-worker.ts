import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '@comfy-fleet/telemetry';
import { DelayedError, Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';

/** A work item in our hands: BullMQ renews its lock until one of the three is called. None throws or waits. */
export interface WorkItem {
  readonly id: string;
  /** Names this taking of the item, and no other. */
  readonly token: string;
  /** The job has ended: the item goes away. */
  done(): void;
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
  readonly log: Logger;
}

type Decision =
  | { readonly kind: 'done' }
  | { readonly kind: 'give back'; readonly delayMs: number }
  | { readonly kind: 'abandon' };

/** How long one look for work may block, in ms; a stopping worker waits for it. */
const BLOCK_MS = 1000;
/** The shortest one: a timeout of 0 would have no end. */
const SHORTEST_BLOCK_MS = 10;
const ERROR_PAUSE_MS = 500;

/**
 * BullMQ's worker without its loop: which item is taken next is decided by our own script (lua/next.lua), while lock
 * renewal, stalled check and completion stay BullMQ's. It leans on two protected members of BullMQ 6.7 (`lockManager`,
 * `processJob`) and on its wait for the queue's marker; pool-worker.redis.test.ts holds them.
 */
export class PoolWorker extends Worker {
  readonly #options: PoolWorkerOptions;
  readonly #decisions = new Map<string, Promise<Decision>>();
  readonly #processing = new Set<Promise<unknown>>();
  /** The newest token of each item in hand: after a lost lock an item may come to this very process again. */
  readonly #newest = new Map<string, string>();
  readonly #looking = new Set<Promise<unknown>>();
  #tokens = 0;

  constructor(options: PoolWorkerOptions) {
    const { redis, keys, pool, lockMs, stalledCheckMs, log } = options;
    super(keys.queueName(pool), (job, token) => this.#settle(job, token), {
      connection: redis,
      prefix: keys.prefix,
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: stalledCheckMs,
      // Claims are counted by the ledger; BullMQ would fail the item without asking.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    this.#options = options;
    // A dropped connection and a lost lock both come here; the fence of the ledger makes the second harmless.
    this.on('error', (error) => log.debug('work queue error', { pool, error }));
  }

  async begin(): Promise<void> {
    this.lockManager.start();
    await this.startStalledCheckTimer();
  }

  /** Closing waits for what `look` does: it may take an item. */
  async during<T>(look: () => Promise<T>): Promise<T> {
    const looking = look();
    this.#looking.add(looking);
    try {
      return await looking;
    } finally {
      this.#looking.delete(looking);
    }
  }

  /** Waits until there may be work, BLOCK_MS at most, or until a moment (ms since 1970). One at a time may wait. */
  async untilWork(at: number | undefined): Promise<void> {
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
    const options = { priority: LUA_CONSTANTS.PRIORITY, removeOnComplete: true, removeOnFail: true };
    const job = new Job(this, 'job', {}, options, id);
    job.token = token;
    return this.#hold(job, id, token);
  }

  /** Whether this process has the item. */
  has(id: string): boolean {
    return this.#newest.has(id);
  }

  /**
   * Takes an item that `worker` has to look after, wherever it is, whoever has its lock. Undefined when there is none.
   */
  async reclaim(id: string, worker: string): Promise<WorkItem | undefined> {
    const { redis, keys, pool, lockMs } = this.#options;
    const token = this.newToken();
    const named = { pool, id, worker, token, lock_ms: lockMs };
    const taken = await runScript(redis, 'reclaim', keys.lock(pool, id), keys.prefix, named);
    return taken === 1 ? this.hold(id, token) : undefined;
  }

  #hold(job: Job, id: string, token: string): WorkItem {
    let decide: (decision: Decision) => void = () => {};
    this.#decisions.set(token, new Promise((resolve) => (decide = resolve)));
    this.#newest.set(id, token);
    const processing = this.processJob(job, token, () => false).finally(() => {
      this.#decisions.delete(token);
      this.#processing.delete(processing);
      this.#forget(id, token);
    });
    this.#processing.add(processing);
    return {
      id,
      token,
      done: () => decide({ kind: 'done' }),
      giveBack: (delayMs) => decide({ kind: 'give back', delayMs }),
      abandon: () => decide({ kind: 'abandon' }),
    };
  }

  /** Waits for the looks for work that are under way and until BullMQ knows every decision, then closes. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#looking);
    await Promise.allSettled(this.#processing);
    await this.close();
  }

  /**
   * BullMQ's lock manager knows items by id alone, so the end of an earlier taking stops the renewal of a later one:
   * then it is told again. The time 1 makes it renew at its next turn.
   */
  #forget(id: string, token: string): void {
    const newest = this.#newest.get(id);
    if (newest === token) this.#newest.delete(id);
    else if (newest !== undefined) this.lockManager.trackJob(id, newest, 1);
  }

  async #settle(job: Job, token: string | undefined): Promise<void> {
    const decision = await this.#decisions.get(token ?? '');
    if (decision === undefined || decision.kind === 'done') return;
    // Unlike moveToWait this uses up no attempt.
    if (decision.kind === 'give back') await job.moveToDelayed(Date.now() + decision.delayMs, token);
    // Tells BullMQ that the item has its place already, so that it touches it no more.
    throw new DelayedError();
  }
}
