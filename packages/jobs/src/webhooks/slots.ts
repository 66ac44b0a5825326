/** How many deliveries may be in progress in this process: in all, of one API key, and of one API key to one host. */
export interface SlotLimits {
  readonly concurrency: number;
  readonly perKey: number;
  readonly perHost: number;
}

/** The host that a webhook is sent to, and its API key. */
export interface Target {
  readonly host: string;
  /** The API key. */
  readonly key: string;
}

interface Waiter {
  readonly target: Target;
  /** Without an argument, the delivery may not begin. */
  readonly end: (leave?: () => void) => void;
}

/**
 * Decides which deliveries may begin. The limit per API key keeps receivers that never answer from filling more than a
 * small part of all slots. The limit per host counts for each key by itself, because keys often share a host and must not
 * wait for each other.
 */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #places: number;
  /** How many deliveries are in progress, by API key, and by host and API key. */
  readonly #busy = new Map<string, number>();
  #inProgress = 0;
  /** In order of arrival. */
  readonly #waiting = new Set<Waiter>();
  #isClosed = false;

  /** `places`: how many deliveries may wait for a slot. A key may take as many of the places as it leaves free. */
  constructor(limits: SlotLimits, places: number) {
    this.#limits = limits;
    this.#places = places;
  }

  /**
   * Resolves when the delivery may begin, to a function to call at its end. Resolves to undefined if too many deliveries
   * wait already, when the signal aborts, or at `close`.
   */
  async enter(target: Target, signal: AbortSignal): Promise<(() => void) | undefined> {
    if (this.#isClosed || signal.aborted) return undefined;
    if (this.#mayBegin(target)) return this.#begin(target);
    const own = [...this.#waiting].filter((waiter) => waiter.target.key === target.key).length;
    if (own >= this.#places - this.#waiting.size) return undefined;
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

  #mayBegin(target: Target): boolean {
    const { concurrency, perKey, perHost } = this.#limits;
    const busy = (name: string) => this.#busy.get(name) ?? 0;
    return this.#inProgress < concurrency && busy(target.key) < perKey && busy(nameOf(target)) < perHost;
  }

  #begin(target: Target): () => void {
    this.#count(target, 1);
    return () => {
      this.#count(target, -1);
      for (const waiter of this.#waiting) {
        if (this.#mayBegin(waiter.target)) waiter.end(this.#begin(waiter.target));
      }
    };
  }

  #count(target: Target, more: 1 | -1): void {
    this.#inProgress += more;
    for (const name of [target.key, nameOf(target)]) {
      const busy = (this.#busy.get(name) ?? 0) + more;
      if (busy === 0) this.#busy.delete(name);
      else this.#busy.set(name, busy);
    }
  }
}

/** Names of hosts and ids of keys have no spaces. */
function nameOf({ host, key }: Target): string {
  return `${host} ${key}`;
}
