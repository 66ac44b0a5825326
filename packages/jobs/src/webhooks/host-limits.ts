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
  /** How long the last one took; undefined: none has ended yet. */
  lastMs: number | undefined;
}

/** A host that takes longer than this for an answer is slow. */
const SLOW_MS = 1000;
/** Deliveries of one API key under way at a time to hosts that are slow or not known. */
const SLOW_OF_KEY = 8;
/** Hosts remembered while nothing is under way to them. */
const MOST_HOSTS = 10_000;
/** Supposed of a host that is not known. */
const UNKNOWN_MS = 100;

/**
 * Decides who may deliver now. For one API key, at most `perHost` deliveries to one host are under way at a time: keys
 * often share a host, and must not wait for each other's deliveries. To all its hosts together, one key may have three
 * quarters of what this process delivers at a time. Hosts that are slow, and those that have not answered yet, share
 * half, and one key gets only a part of that half, so that dead receivers leave slots for those that answer, and for
 * other keys.
 */
export class HostLimits {
  readonly #perHost: number;
  readonly #mostSlow: number;
  readonly #mostOfKey: number;
  readonly #now: () => number;
  /** By the names of targets; the one used last is last. */
  readonly #hosts = new Map<string, Host>();
  /** Those to which something is under way. */
  readonly #busy = new Set<Host>();

  constructor({ concurrency, perHost, now = () => performance.now() }: HostLimitsOptions) {
    this.#perHost = perHost;
    this.#mostSlow = Math.ceil(concurrency / 2);
    this.#mostOfKey = Math.ceil((3 * concurrency) / 4);
    this.#now = now;
  }

  hasFree(target: Target): boolean {
    if (this.freeAt(target) <= 0 || this.freeOf(target.key) <= 0) return false;
    return !this.isSlow(target) || (this.freeForSlow() > 0 && this.freeForSlowOf(target.key) > 0);
  }

  /** Of the limit of one key at one host. */
  freeAt(target: Target): number {
    return this.#perHost - (this.#hosts.get(nameOf(target))?.began.size ?? 0);
  }

  /** Of the limit that one API key has at all its hosts. */
  freeOf(key: string): number {
    return this.#mostOfKey - this.#underWay((host) => host.key === key);
  }

  isSlow(target: Target): boolean {
    return this.#isSlow(this.#hosts.get(nameOf(target)));
  }

  /** Of the limit that all slow hosts share. */
  freeForSlow(): number {
    return this.#mostSlow - this.#underWay((host) => this.#isSlow(host));
  }

  /** Of the limit that one API key has at slow hosts. */
  freeForSlowOf(key: string): number {
    return SLOW_OF_KEY - this.#underWay((host) => host.key === key && this.#isSlow(host));
  }

  /** How long a delivery there is supposed to take. */
  typicalMs(target: Target): number {
    const host = this.#hosts.get(nameOf(target));
    return Math.max(host?.lastMs ?? UNKNOWN_MS, this.#hasWaited(host));
  }

  /** Begins a delivery; to be called when `hasFree` says so. What it answers is to be called at its end. */
  take(target: Target): () => void {
    const name = nameOf(target);
    const host: Host = this.#hosts.get(name) ?? { key: target.key, began: new Set(), lastMs: undefined };
    const delivery = { at: this.#now() };
    host.began.add(delivery);
    this.#hosts.delete(name);
    this.#hosts.set(name, host);
    this.#busy.add(host);
    return () => {
      host.began.delete(delivery);
      host.lastMs = this.#now() - delivery.at;
      if (host.began.size === 0) this.#busy.delete(host);
      this.#forgetOldest();
    };
  }

  #isSlow(host: Host | undefined): boolean {
    return (host?.lastMs ?? Number.POSITIVE_INFINITY) > SLOW_MS || this.#hasWaited(host) > SLOW_MS;
  }

  #underWay(counts: (host: Host) => boolean): number {
    let underWay = 0;
    for (const host of this.#busy) if (counts(host)) underWay += host.began.size;
    return underWay;
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

/** No host has a space in its name. */
export function nameOf({ host, key }: Target): string {
  return `${host} ${key}`;
}
