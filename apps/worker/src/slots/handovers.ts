/**
 * How long a GPU stood still between two prompts although jobs waited. That they did is known from the claimer: it says
 * so when it finds nothing for this instance. Times are ms of one clock.
 */
export class Handovers {
  #lastEnd: number | undefined;
  /** When a pool last had nothing for it, by pool. */
  readonly #idleAt = new Map<string, number>();
  #outAt = Number.NEGATIVE_INFINITY;

  /** A prompt has ended. */
  ended(at: number): void {
    this.#lastEnd = Math.max(at, this.#lastEnd ?? at);
  }

  /** The pool has nothing for it now. */
  hadNothing(pool: string, at: number): void {
    this.#idleAt.set(pool, at);
  }

  /** It can be given nothing now, whatever waits. */
  wasOut(at: number): void {
    this.#outAt = at;
  }

  /** A prompt of the pool begins: how long the instance stood still for want of it; undefined where nobody waited. */
  began(pool: string, at: number): number | undefined {
    const end = this.#lastEnd;
    if (end === undefined) return undefined;
    const excusedAt = Math.max(this.#outAt, this.#idleAt.get(pool) ?? Number.NEGATIVE_INFINITY);
    return excusedAt > end ? undefined : Math.max(0, at - end);
  }
}
