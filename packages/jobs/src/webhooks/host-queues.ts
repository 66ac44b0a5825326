import type { HostLimits, Target } from './host-limits.js';

/** Least time after which one that waits in a queue looks by itself whether it may go on. */
const MIN_PARKED_MS = 5000;
/** A process that dies leaves nobody to call those that it parked: they are not to wait for longer than this. */
const MAX_PARKED_MS = 60_000;
/** One called that has not come by then went to another process. */
const CALLED_MS = 50;

/**
 * Deliveries of this process that were over a limit, in the order of their coming. In Redis they are among BullMQ's
 * delayed items, so that they survive this process; here is only known who is to be called when one ends. Nobody else
 * calls them, so each also has a time of its own: about twice what the queue before it should take, a minute at most.
 * So a long queue of a dead host costs Redis little, and one whose process died goes on before long.
 */
export class HostQueues {
  readonly #limits: HostLimits;
  readonly #perHost: number;
  /** Ids by key and host; of both, the one called last is last. */
  readonly #waiting = new Map<string, Map<string, Set<string>>>();
  /** Called and not arrived yet: they count as begun. By id, in the order of the calls. */
  readonly #called = new Map<string, { readonly until: number; readonly release: () => void }>();
  readonly #now: () => number;

  constructor(limits: HostLimits, { perHost, now = () => performance.now() }: { perHost: number; now?: () => number }) {
    this.#limits = limits;
    this.#perHost = perHost;
    this.#now = now;
  }

  /** After how many ms the next one to wait for this target should look by itself. */
  parkedMs(target: Target): number {
    const before = this.#waiting.get(target.key)?.get(target.host)?.size ?? 0;
    const theirs = (before * this.#limits.typicalMs(target)) / this.#perHost;
    return Math.round(Math.min(MIN_PARKED_MS + 2 * theirs, MAX_PARKED_MS));
  }

  join({ host, key }: Target, id: string): void {
    const queues = this.#waiting.get(key) ?? new Map<string, Set<string>>();
    this.#waiting.set(key, queues.set(host, (queues.get(host) ?? new Set()).add(id)));
  }

  /** It is at the head of the queue, called or by itself. */
  arrived(target: Target, id: string): void {
    this.#forget(id);
    this.#leave(target, id);
  }

  /** Whether one that comes from the outbox may begin now. It counts as called then. */
  admits({ host, key }: Target, id: string): boolean {
    this.#forgetCalled();
    if (!this.#limits.hasFree({ host, key })) return false;
    this.#noteCalled({ host, key }, id);
    return true;
  }

  /** Takes those out of the queues that may begin now: each time one of the key that has the fewest under way. */
  call(): string[] {
    if (this.#waiting.size === 0) return [];
    this.#forgetCalled();
    const ids: string[] = [];
    for (let id = this.#callNext(); id !== undefined; id = this.#callNext()) ids.push(id);
    return ids;
  }

  #callNext(): string | undefined {
    const keys = [...this.#waiting.keys()].map((key) => ({ key, underWay: this.#limits.underWay(key) }));
    for (const { key } of keys.sort((a, b) => a.underWay - b.underWay)) {
      const found = this.#nextOf(key);
      if (found === undefined) continue;
      this.#noteCalled(found.target, found.id);
      this.#leave(found.target, found.id);
      return found.id;
    }
    return undefined;
  }

  /** What it answers comes last of its key, and its key last of all, the next time. */
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

  #noteCalled(target: Target, id: string): void {
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
