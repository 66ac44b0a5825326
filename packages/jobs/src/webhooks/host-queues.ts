import { type HostLimits, nameOf, type Target } from './host-limits.js';

/** Least time after which one that waits in a queue looks by itself whether it may go on. */
const MIN_PARKED_MS = 5000;
/** A process that dies leaves nobody to call those that it parked: they are not to wait for longer than this. */
const MAX_PARKED_MS = 60_000;
/** One called that has not come by then went to another process. */
const CALLED_MS = 50;

/** Deliveries of one API key to one host. */
interface HostQueue extends Target {
  readonly ids: Set<string>;
}

/**
 * Deliveries of this process that were over a limit, in the order of their coming. In Redis they are among BullMQ's
 * delayed items, so that they survive this process; here is only known who is to be called when one ends. Nobody else
 * calls them, so each also has a time of its own: about twice what the queue before it should take, a minute at most.
 * So a long queue of a dead host costs Redis little, and one whose process died goes on before long.
 */
export class HostQueues {
  readonly #limits: HostLimits;
  readonly #perHost: number;
  /** The one called last is last. */
  readonly #waiting = new Map<string, HostQueue>();
  /** Called and not arrived yet: they count as begun. By id, in the order of the calls. */
  readonly #called = new Map<string, Target & { readonly until: number }>();
  readonly #now: () => number;

  constructor(limits: HostLimits, { perHost, now = () => performance.now() }: { perHost: number; now?: () => number }) {
    this.#limits = limits;
    this.#perHost = perHost;
    this.#now = now;
  }

  /** After how many ms the next one to wait for this target should look by itself. */
  parkedMs(target: Target): number {
    const before = this.#waiting.get(nameOf(target))?.ids.size ?? 0;
    const theirs = (before * this.#limits.typicalMs(target)) / this.#perHost;
    return Math.round(Math.min(MIN_PARKED_MS + 2 * theirs, MAX_PARKED_MS));
  }

  join({ host, key }: Target, id: string): void {
    const name = nameOf({ host, key });
    const queue = this.#waiting.get(name) ?? { host, key, ids: new Set() };
    queue.ids.add(id);
    this.#waiting.set(name, queue);
  }

  /** It is at the head of the queue, called or by itself. */
  arrived(target: Target, id: string): void {
    this.#called.delete(id);
    const name = nameOf(target);
    const queue = this.#waiting.get(name);
    queue?.ids.delete(id);
    if (queue?.ids.size === 0) this.#waiting.delete(name);
  }

  /** Whether one that comes from the outbox may begin now. It counts as called then. */
  admits({ host, key }: Target, id: string): boolean {
    this.#forgetCalled();
    if (!this.#limits.hasFree({ host, key }) || this.#freeOf(key).all <= 0) return false;
    this.#called.set(id, { host, key, until: this.#now() + CALLED_MS });
    return true;
  }

  /** Takes those out of the queues that may begin now, one queue after the other. */
  call(): string[] {
    if (this.#waiting.size === 0) return [];
    this.#forgetCalled();
    const until = this.#now() + CALLED_MS;
    const limits = this.#limits;
    const ids: string[] = [];
    let freeForSlow = limits.freeForSlow() - this.#calledOf((called) => limits.isSlow(called));
    const freeOf = new Map<string, { all: number; slow: number }>();
    for (const [name, queue] of [...this.#waiting]) {
      const { host, key } = queue;
      const isSlow = limits.isSlow(queue);
      const ofKey = freeOf.get(key) ?? this.#freeOf(key);
      freeOf.set(key, ofKey);
      const free = isSlow ? Math.min(ofKey.all, ofKey.slow, freeForSlow) : ofKey.all;
      if (free <= 0) continue;
      const own = limits.freeAt(queue) - this.#calledOf((called) => nameOf(called) === name);
      const next = first(queue.ids, Math.min(own, free));
      if (next.length === 0) continue;
      for (const id of next) {
        this.#called.set(id, { host, key, until });
        queue.ids.delete(id);
      }
      this.#waiting.delete(name);
      if (queue.ids.size > 0) this.#waiting.set(name, queue);
      ofKey.all -= next.length;
      if (isSlow) {
        freeForSlow -= next.length;
        ofKey.slow -= next.length;
      }
      ids.push(...next);
    }
    return ids;
  }

  /** Of the limits of one key, at all its hosts and at slow ones. */
  #freeOf(key: string): { all: number; slow: number } {
    const limits = this.#limits;
    const all = limits.freeOf(key) - this.#calledOf((called) => called.key === key);
    const slow = limits.freeForSlowOf(key) - this.#calledOf((called) => called.key === key && limits.isSlow(called));
    return { all, slow };
  }

  #forgetCalled(): void {
    for (const [id, { until }] of this.#called) {
      if (until > this.#now()) return;
      this.#called.delete(id);
    }
  }

  #calledOf(which: (target: Target) => boolean): number {
    let count = 0;
    for (const target of this.#called.values()) if (which(target)) count++;
    return count;
  }
}

function first(queue: ReadonlySet<string>, most: number): string[] {
  const ids: string[] = [];
  for (const id of queue) {
    if (ids.length >= most) break;
    ids.push(id);
  }
  return ids;
}
