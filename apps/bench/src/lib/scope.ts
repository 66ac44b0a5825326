type End = () => unknown;

/** Collects how to stop whatever was started, and stops it in reverse order. */
export class Scope {
  readonly #ends: End[] = [];
  #closed = false;

  /** Lets `close` call `end`. If the scope is already closed, `end` is called at once. */
  onClose(end: End): void {
    this.#ends.push(end);
    // close() has already reported its failures to its caller
    if (this.#closed) this.close().catch(() => undefined);
  }

  /** Calls all `end` functions, even if some fail, and then throws the first failure. */
  async close(): Promise<void> {
    this.#closed = true;
    const failures: unknown[] = [];
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Runs `use` with an inner scope, which closes when `use` ends or when this scope closes. */
  async inner<T>(use: (scope: Scope) => Promise<T>): Promise<T> {
    const inner = new Scope();
    this.onClose(() => inner.close());
    try {
      return await use(inner);
    } finally {
      await inner.close();
    }
  }
}

/** Runs `task` for 0 to `count - 1`, at most `atOnce` of them at a time. */
export async function inParallel(count: number, atOnce: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
