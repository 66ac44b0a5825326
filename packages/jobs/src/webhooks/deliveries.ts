import type { RedisSettings } from '@comfy-fleet/config';
import { orAborted } from '@comfy-fleet/contracts';
import { workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import { withScripts } from '../connection.js';
import { createKeys } from '../keys.js';
import { createUrlSigner } from '../record/url-signer.js';
import { createDeliveryQueue, type DeliveryItem } from './delivery-queue.js';
import { createDeliveryWorker, type DeliveryHandler } from './delivery-worker.js';
import { HostLimits } from './host-limits.js';
import { HostQueues } from './host-queues.js';
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

/**
 * How often parked deliveries are called if their host is below its limit. Usually they are called when another one
 * ends, but a called one may have gone to another process.
 */
const CALL_MS = 50;

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
      const limits = new HostLimits({ concurrency, perHost });
      const hostQueues = new HostQueues(limits, { perHost });
      const callIn = async () => {
        await Promise.all(hostQueues.call().map((id) => queue.promote(id))).catch((error: unknown) => {
          log.debug('calling parked deliveries failed; they continue by themselves', { error });
        });
      };
      const worker = createDeliveryWorker({
        redis,
        keys,
        limits,
        hostQueues,
        concurrency,
        lockMs,
        stalledCheckMs,
        life,
        callIn,
        handler,
        log,
      });
      const calling = setInterval(() => void callIn(), CALL_MS);
      const end = async () => {
        await aborted(signal);
        clearInterval(calling);
        // Closes at once: deliveries that the outbox still adds stay in the queue.
        await worker.close();
      };
      const add = async (id: string, item: DeliveryItem) => {
        if (hostQueues.admits(item, id)) return queue.add(id, item);
        // Without a delay, the worker would only park it again, ahead of deliveries that can start.
        await queue.add(id, item, hostQueues.parkedMs(item));
        hostQueues.join(item, id);
      };
      const outbox = { redis, blocking, keys, life, queue: { add }, log };
      await Promise.all([worker.run(), moveOutbox(outbox, signal), end()]);
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
