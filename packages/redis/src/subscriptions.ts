import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';

/** Gets each message of a channel, and `undefined` when messages may have been missed: then read again. */
export type Listener = (message: string | undefined) => void;

/**
 * How often the connection is used, although nobody wants anything: a server that is gone without a word, or that is
 * the primary no more, is found out by that.
 */
const PROBE_MS = 2000;

/** One subscriber connection per process, channels subscribed while somebody listens. */
export interface Subscriptions {
  /** Resolves when the subscription stands; what is published from then on reaches `listener`. Answers its end. */
  listen(channel: string, listener: Listener): Promise<() => void>;
  /** Resolves when the connection answers. */
  ping(): Promise<void>;
  close(): void;
}

/** `key` is any of ours: to ask for it shows whether the connection leads to where our keys are. */
export function createSubscriptions(redis: Redis, key: string, log: Logger): Subscriptions {
  const listeners = new Map<string, Set<Listener>>();
  // Of a key: a Cluster's node that has it no more says where it is.
  const probe = () => redis.exists(key);
  const probing = setInterval(() => {
    // A look that waits for its connection says nothing more than the one before it.
    if (redis.status === 'ready')
      probe().catch((error: unknown) => log.debug('the subscriber had no answer', { error }));
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
        log.debug('subscribing again failed; reconnecting', { error });
        // To hang up while it looks for the primary would end the connection for good.
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

/** Messages that arrive by callback, taken one by one. */
export class Feed<T> {
  readonly #waiting: T[] = [];
  #wake: (() => void) | undefined;

  push(message: T): void {
    this.#waiting.push(message);
    this.#wake?.();
  }

  /** Messages that nobody has taken yet. */
  get length(): number {
    return this.#waiting.length;
  }

  /** The next message; rejects with the signal's reason when that comes first. */
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
