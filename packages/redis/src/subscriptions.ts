import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';

/**
 * Gets each message of a channel, and `undefined` if messages may have been missed, so that the listener reads again.
 */
export type Listener = (message: string | undefined) => void;

/** How often the connection is probed, to notice a server that vanished silently or is no longer the primary. */
const PROBE_MS = 2000;

/** One subscriber connection per process. A channel is subscribed while it has listeners. */
export interface Subscriptions {
  /**
   * Subscribes a listener to a channel. Resolves, once the subscription stands, to a function that ends it. `listener`
   * gets what is published from then on.
   */
  listen(channel: string, listener: Listener): Promise<() => void>;
  /** Resolves when the connection answers. */
  ping(): Promise<void>;
  close(): void;
}

/** `key` is any of our keys. Asking for it shows whether the connection leads to the node that holds them. */
export function createSubscriptions(redis: Redis, key: string, log: Logger): Subscriptions {
  const listeners = new Map<string, Set<Listener>>();
  // A command with a key, because a Cluster node that no longer has the key answers where it is.
  const probe = () => redis.exists(key);
  const probing = setInterval(() => {
    // While disconnected, probes would only queue up.
    if (redis.status === 'ready')
      probe().catch((error: unknown) => log.debug('the subscriber connection got no answer', { error }));
  }, PROBE_MS);
  probing.unref();

  redis.on('message', (channel: string, message: string) => {
    for (const listener of listeners.get(channel) ?? []) listener(message);
  });

  redis.on('ready', () => {
    const channels = [...listeners.keys()];
    if (channels.length === 0) return;
    redis
      .subscribe(...channels)
      .then(() => {
        for (const channel of channels) for (const listener of listeners.get(channel) ?? []) listener(undefined);
      })
      .catch((error: unknown) => {
        log.debug('resubscribing failed; reconnecting', { error });
        // Disconnecting while ioredis looks for the primary would end the connection for good.
        if (redis.status === 'ready') redis.disconnect(true);
      });
  });

  const leave = (channel: string, listener: Listener) => {
    const group = listeners.get(channel);
    if (group === undefined || !group.delete(listener) || group.size > 0) return;
    listeners.delete(channel);
    redis.unsubscribe(channel).catch((error: unknown) => log.debug('unsubscribing failed', { channel, error }));
  };

  return {
    listen: async (channel, listener) => {
      const group = listeners.get(channel) ?? new Set();
      listeners.set(channel, group.add(listener));
      try {
        await redis.subscribe(channel);
      } catch (error) {
        leave(channel, listener);
        throw error;
      }
      return () => leave(channel, listener);
    },
    ping: async () => {
      await probe();
    },
    close: () => {
      clearInterval(probing);
      redis.disconnect();
    },
  };
}

/** A queue of messages that arrive by callback and are taken one by one. */
export class Feed<T> {
  readonly #waiting: T[] = [];
  #wake: (() => void) | undefined;

  push(message: T): void {
    this.#waiting.push(message);
    this.#wake?.();
  }

  /** How many messages have not been taken yet. */
  get length(): number {
    return this.#waiting.length;
  }

  /** The next message; rejects with the signal's reason if the signal aborts first. */
  async next(signal: AbortSignal): Promise<T> {
    while (this.#waiting.length === 0) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const done = () => {
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#wake = done;
        signal.addEventListener('abort', done, { once: true });
      });
      this.#wake = undefined;
    }
    return this.#waiting.shift() as T;
  }
}
