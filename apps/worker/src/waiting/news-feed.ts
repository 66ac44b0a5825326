/** News that arrive by callback, taken one by one; a quiet time is news too. */
export class NewsFeed<T> {
  readonly #waiting: T[] = [];
  #wake: () => void = () => {};

  push(news: T): void {
    this.#waiting.push(news);
    this.#wake();
  }

  /** The next piece of news, or undefined after `quietMs`. Throws the signal's reason. */
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

/** Says that something changed; rung twice before anybody listens it is heard once. */
export class Bell {
  readonly #feed = new NewsFeed<true>();
  #rung = false;

  ring(): void {
    if (this.#rung) return;
    this.#rung = true;
    this.#feed.push(true);
  }

  /** Resolves when it was rung, or after `ms`. Throws the signal's reason. */
  async heard(ms: number, signal: AbortSignal): Promise<void> {
    await this.#feed.next(ms, signal);
    this.#rung = false;
  }
}
