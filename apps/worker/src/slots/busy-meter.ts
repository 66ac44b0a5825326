const WINDOW_MS = 60_000;

/** Measures in which share of the last minute something went on. Times are ms of one clock. */
export class BusyMeter {
  readonly #from: number;
  #spans: { readonly start: number; readonly end: number }[] = [];
  #busySince: number | undefined;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #totalMs = 0;
  #toldMs = 0;

  constructor(now: number) {
    this.#from = now;
  }

  set(busy: boolean, now: number): void {
    if (busy) {
      // An end that was heard of later than the next beginning.
      this.#busySince ??= Math.max(now, this.#lastEnd);
    } else if (this.#busySince !== undefined) {
      const end = Math.max(now, this.#busySince);
      this.#spans.push({ start: this.#busySince, end });
      this.#totalMs += end - this.#busySince;
      this.#lastEnd = end;
      this.#busySince = undefined;
      this.#spans = this.#spans.filter((span) => span.end > now - WINDOW_MS);
    }
  }

  /** ms of all spans since the beginning; never less than it was told before, though an end may be heard of late. */
  total(now: number): number {
    const open = this.#busySince === undefined ? 0 : Math.max(0, now - this.#busySince);
    this.#toldMs = Math.max(this.#toldMs, this.#totalMs + open);
    return this.#toldMs;
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
