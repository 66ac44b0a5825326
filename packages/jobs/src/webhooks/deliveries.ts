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
     * Moves webhooks from the outbox to the delivery queue and calls `handler` for each attempt that is due, at most
     * `concurrency` at a time and `perHost` for one API key and host, until the signal aborts. Resolves when the attempts
     * in progress are over.
     */
    work: async (
      handler: DeliveryHandler,
      { concurrency, perHost, signal }: { concurrency: number; perHost: number; signal: AbortSignal },
    ): Promise<void> => {
      const worker = createDeliveryWorker({
        redis,
        keys,
        concurrency,
        perHost,
        lockMs,
        stalledCheckMs,
        life,
        stopping: signal,
        handler,
        log,
      });
      const end = async () => {
        await aborted(signal);
        // Closes at once: deliveries that the outbox still adds stay in the queue.
        await worker.close();
      };
      await Promise.all([worker.run(), moveOutbox({ redis, blocking, keys, life, queue, log }, signal), end()]);
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
