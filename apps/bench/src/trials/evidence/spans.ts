/** A stretch of time, ms since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The longest stretch of `whole` that none of the others touches, in ms. */
export function longestFree(whole: Span, taken: readonly Span[]): number {
  let longest = 0;
  let at = whole.from;
  for (const { from, to } of [...taken].sort((a, b) => a.from - b.from)) {
    longest = Math.max(longest, Math.min(from, whole.to) - at);
    at = Math.max(at, to);
  }
  return Math.max(longest, whole.to - at);
}
