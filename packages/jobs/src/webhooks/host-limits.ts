export interface HostLimitsOptions {
  /** Deliveries under way at a time in this process. */
  readonly concurrency: number;
  /** Of them, to one host. */
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

interface Host {
  /** The deliveries under way there, and when they began. */
  readonly began: Set<{ readonly at: number; readonly key: string }>;
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
 * Who may deliver now. To a host `perHost` deliveries are under way at a time. Hosts that are slow, and those that have not
 * answered yet, share half of what this process delivers at a time: however many receivers are dead, the other half is
 * for those that answer. Of that half one API key has no more than its share: with however many dead receivers, it leaves
 * some for the others' new ones.
 */
export class HostLimits {
  readonly #perHost: number;
  readonly #mostSlow: number;
  readonly #now: () => number;
  /** The one used last is last. */
  readonly #hosts = new Map<string, Host>();
  /** Those to which something is under way. */
  readonly #busy = new Set<string>();

  constructor({ concurrency, perHost, now = () => performance.now() }: HostLimitsOptions) {
    this.#perHost = perHost;
    this.#mostSlow = Math.ceil(concurrency / 2);
    this.#now = now;
  }

  hasFree({ host, key }: Target): boolean {
    return this.freeAt(host) > 0 && (!this.isSlow(host) || (this.freeForSlow() > 0 && this.freeForSlowOf(key) > 0));
  }

  /** Of the host's own limit. */
  freeAt(host: string): number {
    return this.#perHost - (this.#hosts.get(host)?.began.size ?? 0);
  }

  isSlow(host: string): boolean {
    return (this.#hosts.get(host)?.lastMs ?? Number.POSITIVE_INFINITY) > SLOW_MS || this.#hasWaited(host) > SLOW_MS;
  }

  /** Of the limit that all slow hosts share. */
  freeForSlow(): number {
    let free = this.#mostSlow;
    for (const host of this.#busy) if (this.isSlow(host)) free -= this.#hosts.get(host)?.began.size ?? 0;
    return free;
  }

  /** Of the limit that one API key has at slow hosts. */
  freeForSlowOf(key: string): number {
    let free = SLOW_OF_KEY;
    for (const host of this.#busy) {
      if (!this.isSlow(host)) continue;
      for (const delivery of this.#hosts.get(host)?.began ?? []) if (delivery.key === key) free--;
    }
    return free;
  }

  /** How long a delivery there is supposed to take. */
  typicalMs(host: string): number {
    return Math.max(this.#hosts.get(host)?.lastMs ?? UNKNOWN_MS, this.#hasWaited(host));
  }

  /** Begins a delivery; to be called when `hasFree` says so. What it answers is to be called at its end. */
  take({ host, key }: Target): () => void {
    const known: Host = this.#hosts.get(host) ?? { began: new Set(), lastMs: undefined };
    const delivery = { at: this.#now(), key };
    known.began.add(delivery);
    this.#hosts.delete(host);
    this.#hosts.set(host, known);
    this.#busy.add(host);
    return () => {
      known.began.delete(delivery);
      known.lastMs = this.#now() - delivery.at;
      if (known.began.size === 0) this.#busy.delete(host);
      this.#forgetOldest();
    };
  }

  #hasWaited(host: string): number {
    const [oldest] = this.#hosts.get(host)?.began ?? [];
    return oldest === undefined ? 0 : this.#now() - oldest.at;
  }

  #forgetOldest(): void {
    if (this.#hosts.size <= MOST_HOSTS) return;
    for (const host of this.#hosts.keys()) {
      if (this.#busy.has(host)) continue;
      this.#hosts.delete(host);
      return;
    }
  }
}
