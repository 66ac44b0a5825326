import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { fieldsOf } from '../record/record.js';
import { type DeliveryQueue, hostOf } from './delivery-queue.js';

export interface OutboxOptions {
  readonly redis: Redis;
  /** Used only for blocking reads. */
  readonly blocking: Redis;
  readonly keys: Keys;
  readonly queue: Pick<DeliveryQueue, 'add'>;
  readonly log: Logger;
}

type Entry = readonly [id: string, fields: readonly string[]];

/** How many entries are moved at a time. A new one waits for those before it, whichever keys they belong to. */
const BATCH = 2000;
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
async function moveSome({ blocking, redis, keys, queue }: OutboxOptions): Promise<void> {
  const reply = await blocking.xread('COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', keys.outbox, '0');
  const entries = (reply as readonly [key: string, entries: Entry[]][] | null)?.[0]?.[1] ?? [];
  if (entries.length === 0) return;
  const items = entries.map(([run, fields]) => {
    const { job = '', key = '', url = '' } = fieldsOf(fields);
    return { job, key, host: hostOf(url), run };
  });
  await queue.add(items);
  await redis.xdel(keys.outbox, ...items.map(({ run }) => run));
}
