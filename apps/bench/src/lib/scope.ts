type End = () => unknown;

/** What has been started and must be ended, the last first, whatever happens in between. */
export class Scope {
  readonly #ends: End[] = [];
  #closed = false;

  /** `end` is called by `close`; at once if that has been called already. */
  onClose(end: End): void {
    this.#ends.push(end);
    // whoever closed it has been told what failed then
    if (this.#closed) this.close().catch(() => undefined);
  }

  /** Ends everything, even if one ending fails; then throws the first failure. */
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

  /** Runs `use` with a scope of its own, which closes when that is done, or with this one. */
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

/** Runs `task` for 0 to `count - 1`, so many of them `atOnce`. */
export async function inParallel(count: number, atOnce: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
