import { setTimeout as delay } from 'node:timers/promises';

/** A queue of news that arrives by callback and is read one item at a time, with a timeout. */
export class NewsFeed<T> {
  readonly #waiting: T[] = [];
  #wake: () => void = () => {};

  push(news: T): void {
    this.#waiting.push(news);
    this.#wake();
  }

  /** The next item, or undefined after `quietMs`. Throws the signal's reason when it aborts. */
  async next(quietMs: number, signal: AbortSignal): Promise<T | undefined> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0) await this.#quiet(quietMs, signal);
    signal.throwIfAborted();
    return this.#waiting.shift();
  }

  #quiet(quietMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(wake, quietMs);
      const clear = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#wake = () => {};
      };
      function wake() {
        clear();
        resolve();
      }
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}

/** Wakes up one waiting loop. Several triggers before the next wait count once. */
export class WakeUp {
  readonly #feed = new NewsFeed<true>();
  #triggered = false;

  trigger(): void {
    if (this.#triggered) return;
    this.#triggered = true;
    this.#feed.push(true);
  }

  /** Resolves when triggered, or after `ms`. Throws the signal's reason when it aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await this.#feed.next(ms, signal);
    this.#triggered = false;
  }
}

/** Wake-ups by name. One that had its turn is triggered last, so that loops that need the same thing take turns. */
export class WakeUps {
  /** In the order in which they are triggered. */
  readonly #wakeUps: Map<string, WakeUp>;

  constructor(names: readonly string[]) {
    this.#wakeUps = new Map(names.map((name) => [name, new WakeUp()]));
  }

  of(name: string): WakeUp {
    return this.#wakeUps.get(name) as WakeUp;
  }

  trigger(): void {
    // Each loop goes as far as it can before the next one wakes up.
    for (const wakeUp of this.#wakeUps.values()) setImmediate(() => wakeUp.trigger());
  }

  hadTurn(name: string): void {
    const wakeUp = this.of(name);
    this.#wakeUps.delete(name);
    this.#wakeUps.set(name, wakeUp);
  }
}

/** Waits `ms`, or throws the signal's reason when it aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 30_000;

/**
 * Pause after attempt number `attempt`. It doubles, with jitter of half up or down so that jobs do not retry in waves.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(0, attempt - 1), LONGEST_BACKOFF_MS);
  return Math.round(base * (0.5 + random()));
}
