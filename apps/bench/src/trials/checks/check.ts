import type { Evidence } from '../evidence/evidence.js';

/** Something that must never happen, and did. */
export interface Breach {
  readonly what: string;
  /** Whose log lines help. */
  readonly jobId?: string;
}

export interface Finding {
  /** Lines of the table: what was counted, and how much of it. */
  readonly rows: readonly (readonly [string, number | string])[];
  readonly breaches: readonly Breach[];
}

/** Judges one promise by the evidence alone. */
export type Check = (evidence: Evidence) => Finding;

export function count<T>(list: Iterable<T>, what: (item: T) => boolean): number {
  let n = 0;
  for (const item of list) if (what(item)) n += 1;
  return n;
}

/** How often each word occurs, most frequent first: `a 3, b 1`. */
export function tally(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return sorted.length === 0 ? 'none' : sorted.map(([word, n]) => `${word} ${n}`).join(', ');
}
