import type { RedisSettings } from '@comfy-fleet/config';
import { orAborted } from '@comfy-fleet/contracts';
import { workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import { withScripts } from '../connection.js';
import { createKeys } from '../keys.js';
import { createUrlSigner } from '../record/url-signer.js';
import { createDeliveryQueue } from './delivery-queue.js';
import { createDeliveryWorker, type DeliveryHandler } from './delivery-worker.js';
import { createJobLife } from './job-webhooks.js';
import { moveOutbox } from './outbox.js';
import type { SlotLimits } from './slots.js';

export interface DeliveriesOptions {
  readonly redis: RedisSettings;
  readonly jobTtlSeconds: number;
  readonly signedUrlSeconds: number;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly log: Logger;
}

/** Webhook deliveries, as the dispatcher sees them. Methods wait while Redis is away. */
export function createDeliveries(options: DeliveriesOptions) {
  const { jobTtlSeconds, lockMs, stalledCheckMs, log } = options;
  const keys = createKeys(options.redis.prefix);
  const redis = withScripts(workerConnection(options.redis, log));
  const blocking = workerConnection(options.redis, log);
  const queue = createDeliveryQueue(redis, keys, log);
  const life = createJobLife(redis, keys, jobTtlSeconds);

  return {
    /**
     * Moves webhooks from the outbox to the delivery queue and calls `handler` for each attempt that is due, within the
     * limits, until the signal aborts. Resolves when the attempts in progress are over.
     */
    work: async (handler: DeliveryHandler, limits: SlotLimits, signal: AbortSignal): Promise<void> => {
      const stopping = { stopping: signal };
      const worker = createDeliveryWorker({
        redis,
        keys,
        limits,
        lockMs,
        stalledCheckMs,
        life,
        handler,
        log,
        ...stopping,
      });
      // Closes at once: deliveries that the outbox still adds stay in the queue.
      const closed = aborted(signal).then(() => worker.close());
      await Promise.all([worker.run(), moveOutbox({ redis, blocking, keys, queue, log }, signal), closed]);
    },
    urls: createUrlSigner(redis, keys, { ttlSeconds: options.signedUrlSeconds }),
    /** Resolves when Redis answers. */
    ping: async (signal: AbortSignal) => {
      signal.throwIfAborted();
      await orAborted(redis.ping(), signal);
    },
    close: async () => {
      await queue.close().catch((error: unknown) => log.debug('closing the queue failed', { error }));
      for (const connection of [redis, blocking]) connection.disconnect();
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
