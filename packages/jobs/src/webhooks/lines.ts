import type { Places, Target } from './places.js';

/** Least time after which one that waits in a line looks by itself whether it may go on. */
const MIN_PARKED_MS = 5000;
/** A process that dies leaves nobody to call those that it parked: they are not to wait for longer than this. */
const MAX_PARKED_MS = 60_000;
/** One called that has not come by then went to another process. */
const CALLED_MS = 50;

/** Deliveries of one API key to one host. */
interface Line extends Target {
  readonly ids: Set<string>;
}

/**
 * Deliveries of this process whose hosts had no place for them, in the order of their coming. In Redis they are among
 * BullMQ's delayed items, so that they survive this process; here is only known who is to be called when a place gets
 * free. Nobody else calls them, so each also has a time of its own: about twice what the line before it should take, a
 * minute at most. So a long line of a dead host costs Redis little, and one whose process died goes on before long.
 */
export class Lines {
  readonly #places: Places;
  readonly #perHost: number;
  /** The one called last is last. */
  readonly #waiting = new Map<string, Line>();
  /** Called and not arrived yet: their places are not free any more. By id, in the order of the calls. */
  readonly #called = new Map<string, Target & { readonly until: number }>();
  readonly #now: () => number;

  constructor(places: Places, { perHost, now = () => performance.now() }: { perHost: number; now?: () => number }) {
    this.#places = places;
    this.#perHost = perHost;
    this.#now = now;
  }

  /** After how many ms the next one to wait for this target should look by itself. */
  parkedMs(target: Target): number {
    const before = this.#waiting.get(nameOf(target))?.ids.size ?? 0;
    const theirs = (before * this.#places.typicalMs(target.host)) / this.#perHost;
    return Math.round(Math.min(MIN_PARKED_MS + 2 * theirs, MAX_PARKED_MS));
  }

  join({ host, key }: Target, id: string): void {
    const name = nameOf({ host, key });
    const line = this.#waiting.get(name) ?? { host, key, ids: new Set() };
    line.ids.add(id);
    this.#waiting.set(name, line);
  }

  /** It is at the head of the queue, called or by itself. */
  arrived(target: Target, id: string): void {
    this.#called.delete(id);
    const name = nameOf(target);
    const line = this.#waiting.get(name);
    line?.ids.delete(id);
    if (line?.ids.size === 0) this.#waiting.delete(name);
  }

  /** Takes those out of the lines for whom there are places now, one line after the other. */
  call(): string[] {
    if (this.#waiting.size === 0) return [];
    this.#forgetCalled();
    const until = this.#now() + CALLED_MS;
    const places = this.#places;
    const ids: string[] = [];
    let freeForSlow = places.freeForSlow() - this.#calledOf(({ host }) => places.isSlow(host));
    const freeForSlowOf = new Map<string, number>();
    for (const [name, line] of [...this.#waiting]) {
      const { host, key } = line;
      const isSlow = places.isSlow(host);
      if (isSlow && freeForSlow <= 0) continue;
      const ofKey = freeForSlowOf.get(key) ?? this.#freeForSlowOf(key);
      freeForSlowOf.set(key, ofKey);
      if (isSlow && ofKey <= 0) continue;
      const own = places.freeAt(host) - this.#calledOf((called) => called.host === host);
      const next = first(line.ids, isSlow ? Math.min(own, freeForSlow, ofKey) : own);
      if (next.length === 0) continue;
      for (const id of next) {
        this.#called.set(id, { host, key, until });
        line.ids.delete(id);
      }
      this.#waiting.delete(name);
      if (line.ids.size > 0) this.#waiting.set(name, line);
      if (isSlow) {
        freeForSlow -= next.length;
        freeForSlowOf.set(key, ofKey - next.length);
      }
      ids.push(...next);
    }
    return ids;
  }

  #freeForSlowOf(key: string): number {
    const places = this.#places;
    return places.freeForSlowOf(key) - this.#calledOf((called) => called.key === key && places.isSlow(called.host));
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

/** No host has a space in its name. */
function nameOf({ host, key }: Target): string {
  return `${host} ${key}`;
}

function first(line: ReadonlySet<string>, most: number): string[] {
  const ids: string[] = [];
  for (const id of line) {
    if (ids.length >= most) break;
    ids.push(id);
  }
  return ids;
}
