import type { Logger } from '@comfy-fleet/telemetry';
import { DelayedError, Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';

/** A work item in our hands: BullMQ renews its lock until one of the three is called. None throws or waits. */
export interface WorkItem {
  readonly id: string;
  /** Names this taking of the item, and no other. */
  readonly token: string;
  /** The job has ended: the item goes away. */
  done(): void;
  /** Back into the queue with its rank, for whoever asks first after `delayMs`; `afterwards` is run when it is there. */
  giveBack(delayMs: number, afterwards?: () => Promise<void>): void;
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
  | { readonly kind: 'give back'; readonly delayMs: number; readonly afterwards: (() => Promise<void>) | undefined }
  | { readonly kind: 'abandon' };

/** How long one look for work may block, in seconds; a stopping worker waits for it. */
const BLOCK_SECONDS = 1;

/**
 * BullMQ's worker without its loop: items are taken one by one, when there is a free place for them, while its lock
 * renewal, stalled check and completion stay BullMQ's. It leans on two protected members of BullMQ 6.7 (`lockManager`,
 * `processJob`); pool-worker.redis.test.ts holds them.
 */
export class PoolWorker extends Worker {
  readonly #options: PoolWorkerOptions;
  readonly #decisions = new Map<string, Promise<Decision>>();
  readonly #processing = new Set<Promise<unknown>>();
  /** The newest token of each item in hand: after a lost lock an item may come to this very process again. */
  readonly #newest = new Map<string, string>();
  readonly #taking = new Set<Promise<unknown>>();
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
      drainDelay: BLOCK_SECONDS,
      runRetryDelay: 500,
    });
    this.#options = options;
    // A dropped connection and a lost lock both come here; the fence of the ledger makes the second harmless.
    this.on('error', (error) => log.debug('work queue error', { pool, error }));
  }

  async begin(): Promise<void> {
    this.lockManager.start();
    await this.startStalledCheckTimer();
  }

  /** With delayed items BullMQ would block for up to ten seconds. */
  override get maximumBlockTimeout(): number {
    return BLOCK_SECONDS;
  }

  /**
   * The next item, or undefined when there is none; with `block`, when none came within BLOCK_SECONDS: one such at a
   * time.
   */
  async take({ block }: { block: boolean }): Promise<WorkItem | undefined> {
    const taking = this.#take(block);
    this.#taking.add(taking);
    try {
      return await taking;
    } finally {
      this.#taking.delete(taking);
    }
  }

  async #take(block: boolean): Promise<WorkItem | undefined> {
    const token = this.#newToken();
    const job = await this.getNextJob(token, { block });
    return job && this.#hold(job, token);
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
    const token = this.#newToken();
    const taken = await runScript(redis, 'reclaim', keys.lock(pool, id), [
      keys.prefix,
      pool,
      id,
      worker,
      token,
      lockMs,
    ]);
    const job = taken === 1 ? await Job.fromId(this, id) : undefined;
    if (job === undefined) return undefined;
    job.token = token;
    return this.#hold(job, token);
  }

  #newToken(): string {
    return `${this.id}:${this.#tokens++}`;
  }

  #hold(job: Job, token: string): WorkItem | undefined {
    if (job.id === undefined) return undefined;
    let decide: (decision: Decision) => void = () => {};
    this.#decisions.set(token, new Promise((resolve) => (decide = resolve)));
    const { id } = job;
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
      giveBack: (delayMs, afterwards) => decide({ kind: 'give back', delayMs, afterwards }),
      abandon: () => decide({ kind: 'abandon' }),
    };
  }

  /** Waits for the items that are being taken and until BullMQ knows every decision, then closes. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#taking);
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
    // Unlike moveToWait this wakes an idle worker, keeps the rank and uses up no attempt.
    if (decision.kind === 'give back') {
      await job.moveToDelayed(Date.now() + decision.delayMs, token);
      await decision.afterwards?.();
    }
    // Tells BullMQ that the item has its place already, so that it touches it no more.
    throw new DelayedError();
  }
}
