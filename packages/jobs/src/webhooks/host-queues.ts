import type { HostLimits, Target } from './host-limits.js';

/** Shortest time after which a parked delivery continues by itself. */
const MIN_PARKED_MS = 5000;
/** Longest time, which bounds the wait of deliveries whose process died. */
const MAX_PARKED_MS = 60_000;
/** A called delivery that has not arrived by then went to another process. */
const CALLED_MS = 50;

/**
 * Parked deliveries of this process: those that were over a limit, in order of arrival. In Redis, they are BullMQ's
 * delayed items, so that they survive this process. This class knows which ones to call when another one ends. If they
 * are not called, they continue by themselves after about twice the time that their queue should take, at most a
 * minute. So a long queue of a dead host costs Redis little, and deliveries of a dead process continue soon.
 */
export class HostQueues {
  readonly #limits: HostLimits;
  readonly #perHost: number;
  /** Ids by key and host; the key and the host that were called last are at the end. */
  readonly #waiting = new Map<string, Map<string, Set<string>>>();
  /** Called deliveries that have not arrived yet count as begun. By id, in the order of the calls. */
  readonly #called = new Map<string, { readonly until: number; readonly release: () => void }>();
  readonly #now: () => number;

  constructor(limits: HostLimits, { perHost, now = () => performance.now() }: { perHost: number; now?: () => number }) {
    this.#limits = limits;
    this.#perHost = perHost;
    this.#now = now;
  }

  /** After how many ms the next delivery that is parked for this target continues by itself. */
  parkedMs(target: Target): number {
    const before = this.#waiting.get(target.key)?.get(target.host)?.size ?? 0;
    const theirs = (before * this.#limits.typicalMs(target)) / this.#perHost;
    return Math.round(Math.min(MIN_PARKED_MS + 2 * theirs, MAX_PARKED_MS));
  }

  join({ host, key }: Target, id: string): void {
    const queues = this.#waiting.get(key) ?? new Map<string, Set<string>>();
    this.#waiting.set(key, queues.set(host, (queues.get(host) ?? new Set()).add(id)));
  }

  /** The worker got the delivery, because it was called or its delay ended. */
  arrived(target: Target, id: string): void {
    this.#forget(id);
    this.#leave(target, id);
  }

  /** Whether a delivery from the outbox may begin now. If so, it counts as called. */
  admits({ host, key }: Target, id: string): boolean {
    this.#forgetCalled();
    if (!this.#limits.hasFree({ host, key })) return false;
    this.#markCalled({ host, key }, id);
    return true;
  }

  /**
   * Takes the deliveries that may begin now out of the queues: in each step, one of the key with the fewest deliveries.
   */
  call(): string[] {
    if (this.#waiting.size === 0) return [];
    this.#forgetCalled();
    const ids: string[] = [];
    for (let id = this.#callNext(); id !== undefined; id = this.#callNext()) ids.push(id);
    return ids;
  }

  #callNext(): string | undefined {
    const keys = [...this.#waiting.keys()].map((key) => ({ key, count: this.#limits.countOfKey(key) }));
    for (const { key } of keys.sort((a, b) => a.count - b.count)) {
      const found = this.#nextOf(key);
      if (found === undefined) continue;
      this.#markCalled(found.target, found.id);
      this.#leave(found.target, found.id);
      return found.id;
    }
    return undefined;
  }

  /** The next delivery of the key. Moves its host to the end of the key's hosts, and its key to the end of all keys. */
  #nextOf(key: string): { readonly target: Target; readonly id: string } | undefined {
    const limits = this.#limits;
    const queues = this.#waiting.get(key);
    if (queues === undefined || !limits.mayHaveMore(key, 'any')) return undefined;
    const mayBeSlow = limits.mayHaveMore(key, 'slow');
    for (const [host, ids] of queues) {
      const target = { host, key };
      const [id] = ids;
      if (id === undefined || !limits.isBelowLimit(target) || (!mayBeSlow && limits.isSlow(target))) continue;
      queues.delete(host);
      queues.set(host, ids);
      this.#waiting.delete(key);
      this.#waiting.set(key, queues);
      return { target, id };
    }
    return undefined;
  }

  #leave({ host, key }: Target, id: string): void {
    const queues = this.#waiting.get(key);
    const ids = queues?.get(host);
    ids?.delete(id);
    if (ids?.size === 0) queues?.delete(host);
    if (queues?.size === 0) this.#waiting.delete(key);
  }

  #markCalled(target: Target, id: string): void {
    this.#forget(id);
    this.#called.set(id, { until: this.#now() + CALLED_MS, release: this.#limits.reserve(target) });
  }

  #forget(id: string): void {
    this.#called.get(id)?.release();
    this.#called.delete(id);
  }

  #forgetCalled(): void {
    for (const [id, { until }] of this.#called) {
      if (until > this.#now()) return;
      this.#forget(id);
    }
  }
}
