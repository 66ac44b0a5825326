export interface HostLimitsOptions {
  /** Maximum number of deliveries at a time in this process. */
  readonly concurrency: number;
  /** Maximum number of deliveries at a time for one API key and host. */
  readonly perHost: number;
  /** Monotonic time in ms. */
  readonly now?: () => number;
}

/** The host that a webhook is sent to, and its API key. */
export interface Target {
  readonly host: string;
  /** The API key. */
  readonly key: string;
}

/** What is known about a host from the deliveries of one API key. */
interface Host {
  readonly key: string;
  /** The deliveries in progress, and when they began. */
  readonly began: Set<{ readonly at: number }>;
  /** Deliveries that were admitted but have not begun. */
  reserved: number;
  /** How long the last one took; undefined if none has ended. */
  lastMs: number | undefined;
}

/** A host whose answers take longer than this is slow. */
const SLOW_MS = 1000;
/** How many idle hosts are remembered. */
const MOST_HOSTS = 10_000;
/** Assumed duration of a delivery to an unknown host. */
const UNKNOWN_MS = 100;

/**
 * Decides which deliveries may begin. One API key may have at most `perHost` deliveries to one host at a time. The
 * limit is per key, because keys often share a host and must not wait for each other. In all, a key may have at most as
 * many deliveries as it leaves free, so that a few keys with many deliveries leave slots for others. The same rule
 * applies to the half of all slots that slow and unknown hosts share; the other half is left for hosts that answer
 * fast.
 */
export class HostLimits {
  readonly #perHost: number;
  readonly #most: number;
  readonly #now: () => number;
  /** By name of the target; the one used last is at the end. */
  readonly #hosts = new Map<string, Host>();
  /** Hosts with deliveries that are in progress or admitted. */
  readonly #busy = new Set<Host>();

  constructor({ concurrency, perHost, now = () => performance.now() }: HostLimitsOptions) {
    this.#perHost = perHost;
    this.#most = concurrency;
    this.#now = now;
  }

  hasFree(target: Target): boolean {
    return this.isBelowLimit(target) && this.mayHaveMore(target.key, this.isSlow(target) ? 'slow' : 'any');
  }

  /** Whether the key is below its limit at this host. */
  isBelowLimit(target: Target): boolean {
    return countOf(this.#hosts.get(nameOf(target))) < this.#perHost;
  }

  /** Whether the key has fewer deliveries than it leaves free: of all slots, or of those for slow hosts. */
  mayHaveMore(key: string, to: 'any' | 'slow'): boolean {
    if (to === 'slow' && !this.mayHaveMore(key, 'any')) return false;
    const most = to === 'slow' ? Math.ceil(this.#most / 2) : this.#most;
    const counted = [...this.#busy].filter((host) => to === 'any' || this.#isSlow(host));
    return this.countOfKey(key, counted) < most - this.countOfKey(undefined, counted);
  }

  /** How many deliveries the key has, or all keys together. */
  countOfKey(key: string | undefined, hosts: Iterable<Host> = this.#busy): number {
    let count = 0;
    for (const host of hosts) if (key === undefined || host.key === key) count += countOf(host);
    return count;
  }

  isSlow(target: Target): boolean {
    return this.#isSlow(this.#hosts.get(nameOf(target)));
  }

  /** How long a delivery to the target is expected to take. */
  typicalMs(target: Target): number {
    const host = this.#hosts.get(nameOf(target));
    return Math.max(host?.lastMs ?? UNKNOWN_MS, this.#hasWaited(host));
  }

  /** Counts an admitted delivery until the returned function is called: when it begins, or does not arrive. */
  reserve(target: Target): () => void {
    const host = this.#use(target);
    host.reserved += 1;
    return () => {
      host.reserved -= 1;
      this.#leave(host);
    };
  }

  /** Begins a delivery; call it only if `hasFree`. Call the returned function at the end of the delivery. */
  begin(target: Target): () => void {
    const host = this.#use(target);
    const delivery = { at: this.#now() };
    host.began.add(delivery);
    return () => {
      host.began.delete(delivery);
      host.lastMs = this.#now() - delivery.at;
      this.#leave(host);
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

  #leave(host: Host): void {
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

/** Names of hosts have no spaces. */
function nameOf({ host, key }: Target): string {
  return `${host} ${key}`;
}
