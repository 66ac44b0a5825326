export interface HostLimitsOptions {
  /** Deliveries under way at a time in this process. */
  readonly concurrency: number;
  /** Of them, for one API key to one host. */
  readonly perHost: number;
  /** ms of a clock that only goes forward. */
  readonly now?: () => number;
}

/** Whose webhook is to go where. */
export interface Target {
  readonly host: string;
  /** The API key. */
  readonly key: string;
}

/** What is known of a host from the deliveries of one API key. */
interface Host {
  readonly key: string;
  /** The deliveries under way there, and when they began. */
  readonly began: Set<{ readonly at: number }>;
  /** Deliveries that were let in and have not begun. */
  reserved: number;
  /** How long the last one took; undefined: none has ended yet. */
  lastMs: number | undefined;
}

/** A host that takes longer than this for an answer is slow. */
const SLOW_MS = 1000;
/** Hosts remembered while nothing is under way to them. */
const MOST_HOSTS = 10_000;
/** Supposed of a host that is not known. */
const UNKNOWN_MS = 100;

/**
 * Decides who may deliver now. For one API key, at most `perHost` deliveries to one host are under way at a time: keys often
 * share a host, and must not wait for each other's deliveries. Each key has at most as many under way as it leaves free, so
 * that a few keys with many deliveries leave slots for others. The same holds for the half of all that hosts share which
 * are slow or have not answered yet: dead receivers leave the other half to those that answer.
 */
export class HostLimits {
  readonly #perHost: number;
  readonly #most: number;
  readonly #now: () => number;
  /** By the names of targets; the one used last is last. */
  readonly #hosts = new Map<string, Host>();
  /** Those to which something is under way or let in. */
  readonly #busy = new Set<Host>();

  constructor({ concurrency, perHost, now = () => performance.now() }: HostLimitsOptions) {
    this.#perHost = perHost;
    this.#most = concurrency;
    this.#now = now;
  }

  hasFree(target: Target): boolean {
    return this.isBelowLimit(target) && this.mayHaveMore(target.key, this.isSlow(target) ? 'slow' : 'any');
  }

  /** The limit of one key at one host. */
  isBelowLimit(target: Target): boolean {
    return countOf(this.#hosts.get(nameOf(target))) < this.#perHost;
  }

  /** Whether the key has fewer under way than it leaves free: of all, or of those to slow hosts. */
  mayHaveMore(key: string, to: 'any' | 'slow'): boolean {
    if (to === 'slow' && !this.mayHaveMore(key, 'any')) return false;
    const most = to === 'slow' ? Math.ceil(this.#most / 2) : this.#most;
    const counted = [...this.#busy].filter((host) => to === 'any' || this.#isSlow(host));
    return this.underWay(key, counted) < most - this.underWay(undefined, counted);
  }

  /** Deliveries of the key, or of all. */
  underWay(key: string | undefined, hosts: Iterable<Host> = this.#busy): number {
    let count = 0;
    for (const host of hosts) if (key === undefined || host.key === key) count += countOf(host);
    return count;
  }

  isSlow(target: Target): boolean {
    return this.#isSlow(this.#hosts.get(nameOf(target)));
  }

  /** How long a delivery there is supposed to take. */
  typicalMs(target: Target): number {
    const host = this.#hosts.get(nameOf(target));
    return Math.max(host?.lastMs ?? UNKNOWN_MS, this.#hasWaited(host));
  }

  /** Counts a delivery that is let in, until what this answers is called: when it begins, or does not come. */
  reserve(target: Target): () => void {
    const host = this.#use(target);
    host.reserved += 1;
    return () => {
      host.reserved -= 1;
      this.#left(host);
    };
  }

  /** Begins a delivery; to be called when `hasFree` says so. What it answers is to be called at its end. */
  take(target: Target): () => void {
    const host = this.#use(target);
    const delivery = { at: this.#now() };
    host.began.add(delivery);
    return () => {
      host.began.delete(delivery);
      host.lastMs = this.#now() - delivery.at;
      this.#left(host);
    };
  }

  #use(target: Target): Host {
    const name = nameOf(target);
    const host = this.#hosts.get(name) ?? { key: target.key, began: new Set(), reserved: 0, lastMs: undefined };
    this.#hosts.delete(name);
    this.#hosts.set(name, host);
    this.#busy.add(host);
    return host;
  }

  #left(host: Host): void {
    if (countOf(host) === 0) this.#busy.delete(host);
    this.#forgetOldest();
  }

  #isSlow(host: Host | undefined): boolean {
    return (host?.lastMs ?? Number.POSITIVE_INFINITY) > SLOW_MS || this.#hasWaited(host) > SLOW_MS;
  }

  #hasWaited(host: Host | undefined): number {
    const [oldest] = host?.began ?? [];
    return oldest === undefined ? 0 : this.#now() - oldest.at;
  }

  #forgetOldest(): void {
    if (this.#hosts.size <= MOST_HOSTS) return;
    for (const [name, host] of this.#hosts) {
      if (this.#busy.has(host)) continue;
      this.#hosts.delete(name);
      return;
    }
  }
}

function countOf(host: Host | undefined): number {
  return host === undefined ? 0 : host.began.size + host.reserved;
}

/** No host has a space in its name. */
function nameOf({ host, key }: Target): string {
  return `${host} ${key}`;
}
