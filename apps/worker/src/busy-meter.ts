const WINDOW_MS = 60_000;

/** Measures in which share of the last minute something went on. Times are ms of one clock. */
export class BusyMeter {
  readonly #from: number;
  #spans: { readonly start: number; readonly end: number }[] = [];
  #busySince: number | undefined;

  constructor(now: number) {
    this.#from = now;
  }

  set(busy: boolean, now: number): void {
    if (busy) {
      this.#busySince ??= now;
    } else if (this.#busySince !== undefined) {
      this.#spans.push({ start: this.#busySince, end: now });
      this.#busySince = undefined;
      this.#spans = this.#spans.filter(({ end }) => end > now - WINDOW_MS);
    }
  }

  /** 0 to 1; of the time since the beginning while that is less than a minute. */
  share(now: number): number {
    const start = Math.max(this.#from, now - WINDOW_MS);
    if (now <= start) return 0;
    const open = this.#busySince === undefined ? [] : [{ start: this.#busySince, end: now }];
    const busy = [...this.#spans, ...open].map((span) => Math.max(0, span.end - Math.max(span.start, start)));
    return Math.min(1, busy.reduce((sum, ms) => sum + ms, 0) / (now - start));
  }
}
