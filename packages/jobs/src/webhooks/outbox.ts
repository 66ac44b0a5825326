import { setTimeout as delay } from 'node:timers/promises';
import type { TerminalStatus, Webhook } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { fieldsOf } from '../record/record.js';
import { type DeliveryQueue, hostOf, wants, webhookId } from './delivery-queue.js';
import type { JobLife } from './job-webhooks.js';

export interface OutboxOptions {
  readonly redis: Redis;
  /** Used only for blocking reads. */
  readonly blocking: Redis;
  readonly keys: Keys;
  readonly life: JobLife;
  readonly queue: Pick<DeliveryQueue, 'add'>;
  readonly log: Logger;
}

type Entry = readonly [id: string, fields: readonly string[]];

const BATCH = 100;
/** How long one read may block. A stopping process waits for it. */
const BLOCK_MS = 1000;
/** Pause after an unexpected error of Redis. */
const ERROR_PAUSE_MS = 500;

/**
 * Moves webhooks from the outbox to the delivery queue until the signal aborts. An entry is deleted after its delivery
 * is queued. Several dispatchers may move the same entry, also after one of them died: queueing a delivery again does
 * nothing, and if it is over by then, the log of attempts shows it (see `readDue` in delivery-worker.ts).
 */
export async function moveOutbox(options: OutboxOptions, signal: AbortSignal): Promise<void> {
  const { log } = options;
  while (!signal.aborted) {
    try {
      await moveSome(options);
    } catch (error) {
      if (signal.aborted) return;
      log.warn('reading the outbox failed', { error });
      await delay(ERROR_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Moves a batch of entries. Waits a moment if there are none. */
async function moveSome(options: OutboxOptions): Promise<void> {
  const { blocking, redis, keys } = options;
  const reply = await blocking.xread('COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', keys.outbox, '0');
  const entries = (reply as readonly [key: string, entries: Entry[]][] | null)?.[0]?.[1] ?? [];
  await Promise.all(entries.map((entry) => queueOne(entry, options)));
  if (entries.length > 0) await redis.xdel(keys.outbox, ...entries.map(([id]) => id));
}

async function queueOne([run, flat]: Entry, { queue, life, log }: OutboxOptions): Promise<void> {
  const { job, status, callback } = fieldsOf(flat);
  const webhook = parseWebhook(callback);
  if (job === undefined || webhook === undefined) {
    log.error('dropping an invalid entry of the outbox', { entry: run, job });
    return;
  }
  if (!wants(webhook, status as TerminalStatus)) return life.notified(job);
  const key = await life.prolong(job);
  if (key === undefined) log.warn('webhook dropped: its job has been deleted', { job });
  else await queue.add(webhookId(job), { job, key, host: hostOf(webhook.url), run });
}

function parseWebhook(text = ''): Webhook | undefined {
  try {
    const webhook = JSON.parse(text) as Partial<Webhook>;
    return typeof webhook.url === 'string' ? { ...webhook, url: webhook.url } : undefined;
  } catch {
    return undefined;
  }
}
