import type { Places } from './places.js';

/** Least time after which one that waits in a line looks by itself whether it may go on. */
const MIN_PARKED_MS = 5000;
/** A process that dies leaves nobody to call those that it parked: they are not to wait for longer than this. */
const MAX_PARKED_MS = 60_000;
/** One called that has not come by then went to another process. */
const CALLED_MS = 50;

/**
 * Deliveries of this process whose hosts had no place for them, in the order of their coming. In Redis they are among
 * BullMQ's delayed items, so that they survive this process; here is only known who is to be called when a place gets
 * free. Nobody else calls them, so each also has a time of its own: about twice what the line before it should take, a
 * minute at most. So a long line of a dead host costs Redis little, and one whose process died goes on before long.
 */
export class Lines {
  readonly #places: Places;
  readonly #perHost: number;
  /** By host; the one called last is last. */
  readonly #waiting = new Map<string, Set<string>>();
  /** Called and not arrived yet: their places are not free any more. By id, in the order of the calls. */
  readonly #called = new Map<string, { readonly host: string; readonly until: number }>();
  readonly #now: () => number;

  constructor(places: Places, { perHost, now = () => performance.now() }: { perHost: number; now?: () => number }) {
    this.#places = places;
    this.#perHost = perHost;
    this.#now = now;
  }

  /** After how many ms the next one to wait for this host should look by itself. */
  parkedMs(host: string): number {
    const before = this.#waiting.get(host)?.size ?? 0;
    const theirs = (before * this.#places.typicalMs(host)) / this.#perHost;
    return Math.round(Math.min(MIN_PARKED_MS + 2 * theirs, MAX_PARKED_MS));
  }

  join(host: string, id: string): void {
    const line = this.#waiting.get(host) ?? new Set();
    line.add(id);
    this.#waiting.set(host, line);
  }

  /** It is at the head of the queue, called or by itself. */
  arrived(host: string, id: string): void {
    this.#called.delete(id);
    const line = this.#waiting.get(host);
    line?.delete(id);
    if (line?.size === 0) this.#waiting.delete(host);
  }

  /** Takes those out of the lines for whom there are places now, one host after the other. */
  call(): string[] {
    if (this.#waiting.size === 0) return [];
    this.#forgetCalled();
    const until = this.#now() + CALLED_MS;
    const ids: string[] = [];
    let freeForSlow = this.#places.freeForSlow() - this.#calledOf((host) => this.#places.isSlow(host));
    for (const [host, line] of [...this.#waiting]) {
      const isSlow = this.#places.isSlow(host);
      if (isSlow && freeForSlow <= 0) continue;
      const own = this.#places.freeAt(host) - this.#calledOf((other) => other === host);
      const next = first(line, isSlow ? Math.min(own, freeForSlow) : own);
      if (next.length === 0) continue;
      for (const id of next) {
        this.#called.set(id, { host, until });
        line.delete(id);
      }
      this.#waiting.delete(host);
      if (line.size > 0) this.#waiting.set(host, line);
      if (isSlow) freeForSlow -= next.length;
      ids.push(...next);
    }
    return ids;
  }

  #forgetCalled(): void {
    for (const [id, { until }] of this.#called) {
      if (until > this.#now()) return;
      this.#called.delete(id);
    }
  }

  #calledOf(which: (host: string) => boolean): number {
    let count = 0;
    for (const { host } of this.#called.values()) if (which(host)) count++;
    return count;
  }
}

function first(line: ReadonlySet<string>, most: number): string[] {
  const ids: string[] = [];
  for (const id of line) {
    if (ids.length >= most) break;
    ids.push(id);
  }
  return ids;
}
