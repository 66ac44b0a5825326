import { LRUCache } from 'lru-cache';

interface SlotsOptions {
  /** Maximum number of deliveries at a time in this process. */
  readonly concurrency: number;
  /** Maximum number of deliveries at a time for one API key and host. */
  readonly perHost: number;
  /** Maximum number of deliveries that wait for a slot. */
  readonly places: number;
  /** Monotonic time in ms. */
  readonly now?: () => number;
}

/** The host that a webhook is sent to, and its API key. */
export interface Target {
  readonly host: string;
  /** The API key. */
  readonly key: string;
}

/** The deliveries of one API key to a host that are in progress. */
interface Busy {
  readonly key: string;
  /** When they began. */
  readonly began: Set<{ readonly at: number }>;
}

interface Waiter {
  readonly target: Target;
  /** Without an argument, the delivery may not begin. */
  readonly end: (leave?: () => void) => void;
}

/** A host whose answers take longer than this is slow. */
const SLOW_MS = 1000;
/** How many hosts are remembered. */
const MOST_HOSTS = 10_000;

/**
 * Decides which deliveries may begin. One API key may have at most `perHost` deliveries to one host at a time. The
 * limit is per key, because keys often share a host and must not wait for each other. In all, a key may have at most as
 * many deliveries as it leaves free, so that a few keys with many deliveries leave slots for others. The same rule
 * applies to the half of all slots that slow and unknown hosts share, while the other half is left for hosts that answer
 * fast; and to the places in which deliveries wait for a slot.
 */
export class Slots {
  readonly #options: SlotsOptions;
  readonly #now: () => number;
  /** How many ms the last delivery to a target took. */
  readonly #lastMs = new LRUCache<string, number>({ max: MOST_HOSTS });
  readonly #busy = new Map<string, Busy>();
  /** In order of arrival. */
  readonly #waiting = new Set<Waiter>();
  #isClosed = false;

  constructor(options: SlotsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Resolves when the delivery may begin, to a function to call at its end. Resolves to undefined if too many deliveries
   * wait already, when the signal aborts, or at `close`.
   */
  async enter(target: Target, signal: AbortSignal): Promise<(() => void) | undefined> {
    if (this.#isClosed || signal.aborted) return undefined;
    if (this.#mayBegin(target, this.#count())) return this.#begin(target);
    const own = [...this.#waiting].filter((waiter) => waiter.target.key === target.key).length;
    if (own >= this.#options.places - this.#waiting.size) return undefined;
    return new Promise((resolve) => {
      const end = (leave?: () => void) => {
        this.#waiting.delete(waiter);
        signal.removeEventListener('abort', giveUp);
        resolve(leave);
      };
      const giveUp = () => end();
      const waiter = { target, end };
      this.#waiting.add(waiter);
      signal.addEventListener('abort', giveUp);
    });
  }

  /** No more deliveries may begin. */
  close(): void {
    this.#isClosed = true;
    for (const waiter of this.#waiting) waiter.end();
  }

  #begin(target: Target): () => void {
    const name = nameOf(target);
    const busy = this.#busy.get(name) ?? { key: target.key, began: new Set() };
    const delivery = { at: this.#now() };
    this.#busy.set(name, busy);
    busy.began.add(delivery);
    return () => {
      busy.began.delete(delivery);
      if (busy.began.size === 0) this.#busy.delete(name);
      this.#lastMs.set(name, this.#now() - delivery.at);
      this.#beginWaiting();
    };
  }

  /** A key with many deliveries needs more free slots than one with few, so the latter come first. */
  #beginWaiting(): void {
    let counts = this.#count();
    for (const { target, end } of this.#waiting) {
      if (!this.#mayBegin(target, counts)) continue;
      end(this.#begin(target));
      counts = this.#count();
    }
  }

  #mayBegin(target: Target, { any, slow }: Counts): boolean {
    const { concurrency, perHost } = this.#options;
    const name = nameOf(target);
    if ((this.#busy.get(name)?.began.size ?? 0) >= perHost || !leavesMore(target.key, any, concurrency)) return false;
    return !this.#isSlow(name) || leavesMore(target.key, slow, Math.ceil(concurrency / 2));
  }

  #count(): Counts {
    const counts = { any: new Map<string, number>(), slow: new Map<string, number>() };
    for (const [name, { key, began }] of this.#busy) {
      for (const count of this.#isSlow(name) ? [counts.any, counts.slow] : [counts.any]) {
        count.set(key, (count.get(key) ?? 0) + began.size);
      }
    }
    return counts;
  }

  #isSlow(name: string): boolean {
    const [oldest] = this.#busy.get(name)?.began ?? [];
    const waitedMs = oldest === undefined ? 0 : this.#now() - oldest.at;
    return Math.max(waitedMs, this.#lastMs.get(name) ?? Number.POSITIVE_INFINITY) > SLOW_MS;
  }
}

/** Deliveries in progress by API key: to any hosts, and to slow or unknown ones. */
interface Counts {
  readonly any: ReadonlyMap<string, number>;
  readonly slow: ReadonlyMap<string, number>;
}

/** Whether the key has fewer deliveries than it leaves free. */
function leavesMore(key: string, counts: ReadonlyMap<string, number>, most: number): boolean {
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return (counts.get(key) ?? 0) < most - all;
}

/** Names of hosts have no spaces. */
function nameOf({ host, key }: Target): string {
  return `${host} ${key}`;
}
