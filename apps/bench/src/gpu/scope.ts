/** What has been started and must be ended, the last first, whatever happens in between. */
export class Scope {
  readonly #endings: (() => unknown)[] = [];

  /** `end` is called by `close`. */
  onClose(end: () => unknown): void {
    this.#endings.push(end);
  }

  /** Ends everything, even if one ending fails; then throws the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let end = this.#endings.pop(); end !== undefined; end = this.#endings.pop()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Runs `use` with a scope of its own and closes that afterwards. */
export async function scoped<T>(use: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  try {
    return await use(scope);
  } finally {
    await scope.close();
  }
}
