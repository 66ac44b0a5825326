import { LRUCache } from 'lru-cache';

/** The weight of the newest execution in the moving average. */
const NEWEST = 0.3;
/** How many kinds of jobs are remembered. */
const MOST_KINDS = 10;
/** Older times say nothing about the current state of the instance. */
const FRESH_MS = 3_600_000;
/** Fewer executions say too little: the first one includes loading the model. */
const TELLING_COUNT = 5;

/** How long an instance lately took for jobs, by their signature: others are compared with it. */
export class Paces {
  readonly #known = new LRUCache<string, { readonly ms: number; readonly count: number }>({
    max: MOST_KINDS,
    ttl: FRESH_MS,
  });

  learn(signature: string, ms: number): void {
    const { ms: before, count } = this.#known.get(signature) ?? { ms, count: 0 };
    this.#known.set(signature, { ms: before + NEWEST * (ms - before), count: count + 1 });
  }

  /** Average times in ms of those kinds of jobs that were executed often enough within the last hour. */
  get telling(): Record<string, number> {
    const telling = [...this.#known.entries()].filter(([, { count }]) => count >= TELLING_COUNT);
    return Object.fromEntries(telling.map(([signature, { ms }]) => [signature, Math.round(ms)]));
  }
}
