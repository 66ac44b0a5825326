import type { TerminalStatus, Webhook } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { parseAttempts } from './attempt-log.js';
import { type DeliveryItem, hostOf, wants, webhookId } from './delivery.js';
import type { JobLife } from './job-life.js';

export interface OutboxOptions {
  readonly redis: Redis;
  /** Used for the reads that block, and for nothing else. */
  readonly blocking: Redis;
  readonly keys: Keys;
  readonly life: JobLife;
  /** Name of this process among those that read. */
  readonly consumer: string;
  /** What a process has read and not moved for so long is another's to move. */
  readonly abandonedMs: number;
  /** Queues a delivery; to do nothing while one with that id is queued. */
  readonly queue: (id: string, item: DeliveryItem) => Promise<void>;
  readonly log: Logger;
}

type Entry = readonly [id: string, fields: readonly string[]];

/** One for all dispatchers: each entry is read by one of them. */
const GROUP = 'dispatchers';
const BATCH = 100;
/** How long one read may block; a stopping process waits for it. */
const BLOCK_MS = 1000;
/** A reader without anything in hand that was not seen for so long is forgotten. */
const CONSUMER_LIFE_MS = 3_600_000;

/**
 * Moves callbacks from the outbox to the delivery queue. A consumer group shares the entries out: several dispatchers
 * read at once, without waiting for each other's lease, and a dead one holds up only what it had just read, until
 * another finds that. An entry is deleted after its delivery is queued; whoever moves one again that another had in
 * hand first looks whether it went its way already.
 */
export class Outbox {
  readonly #options: OutboxOptions;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** To be called before anything is read, and again when Redis answers NOGROUP. */
  async begin(): Promise<void> {
    const { redis, keys } = this.#options;
    try {
      // From the first entry: what is in the stream was not moved.
      await redis.xgroup('CREATE', keys.outbox, GROUP, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
    }
  }

  /** Entries that nobody has read; waits for a moment when there are none. */
  async read(): Promise<readonly Entry[]> {
    const { blocking, keys, consumer } = this.#options;
    const command = ['GROUP', GROUP, consumer, 'COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', keys.outbox, '>'] as const;
    const reply = (await blocking.xreadgroup(...command)) as readonly [key: string, entries: Entry[]][] | null;
    return reply?.[0]?.[1] ?? [];
  }

  /** Entries that were read and not moved for a while, by a dead process or in vain. */
  async *abandoned(): AsyncGenerator<readonly Entry[]> {
    const { redis, keys, consumer, abandonedMs } = this.#options;
    let cursor = '0-0';
    do {
      const reply = await redis.xautoclaim(keys.outbox, GROUP, consumer, abandonedMs, cursor, 'COUNT', BATCH);
      const [next, entries] = reply as [string, Entry[]];
      cursor = next;
      if (entries.length > 0) yield entries;
    } while (cursor !== '0-0');
  }

  /** Queues their deliveries. `again`: another process may have done it before. */
  async queue(entries: readonly Entry[], { again = false } = {}): Promise<void> {
    await Promise.all(entries.map((entry) => this.#queueOne(entry, again)));
  }

  /** Deletes entries that were queued. */
  async remove(entries: readonly Entry[]): Promise<void> {
    const { redis, keys } = this.#options;
    const ids = entries.map(([id]) => id);
    await redis
      .multi()
      .xack(keys.outbox, GROUP, ...ids)
      .xdel(keys.outbox, ...ids)
      .exec();
  }

  /** Forgets the readers that are long gone. */
  async tidy(): Promise<void> {
    const { redis, keys } = this.#options;
    const consumers = (await redis.xinfo('CONSUMERS', keys.outbox, GROUP)) as (string | number)[][];
    for (const [, name, , pending, , idleMs] of consumers) {
      if (pending === 0 && Number(idleMs) > CONSUMER_LIFE_MS) {
        await redis.xgroup('DELCONSUMER', keys.outbox, GROUP, String(name));
      }
    }
  }

  async #queueOne([run, fields]: Entry, again: boolean): Promise<void> {
    const { queue, redis, keys, life, log } = this.#options;
    const { job, status, callback } = toObject(fields);
    const webhook = parseWebhook(callback);
    if (job === undefined || webhook === undefined) {
      log.error('an entry of the outbox cannot be read; dropping it', { entry: run, job });
      return;
    }
    if (!wants(webhook, status as TerminalStatus)) return life.notified(job);
    if (again && parseAttempts(await redis.lrange(keys.attempts(job), 0, -1)).some((each) => each.run === run)) return;
    const key = await life.prolong(job);
    if (key === undefined) {
      log.warn('webhook dropped: its job has been deleted', { job });
      return;
    }
    await queue(webhookId(job), { job, key, host: hostOf(webhook.url), run });
  }
}

function toObject(fields: readonly string[]): Partial<Record<string, string>> {
  const pairs: Partial<Record<string, string>> = {};
  for (let i = 0; i + 1 < fields.length; i += 2) pairs[fields[i] as string] = fields[i + 1] as string;
  return pairs;
}

function parseWebhook(text = ''): Webhook | undefined {
  try {
    const webhook = JSON.parse(text) as Partial<Webhook>;
    return typeof webhook.url === 'string' ? { ...webhook, url: webhook.url } : undefined;
  } catch {
    return undefined;
  }
}
