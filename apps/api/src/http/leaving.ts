/** Whether the connection of a request is through with its answer, or broke off. */
export class Leaving {
  #over = false;
  #made: AbortController | undefined;

  get isOver(): boolean {
    return this.#over;
  }

  /** Aborts then. Made for who asks: most requests end without. */
  get signal(): AbortSignal {
    this.#made ??= new AbortController();
    if (this.#over) this.#made.abort();
    return this.#made.signal;
  }

  abort(): void {
    this.#over = true;
    this.#made?.abort();
  }
}
