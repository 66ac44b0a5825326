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
