/** The smallest value that at least `share` per cent of the values do not exceed (nearest rank). Throws when there is none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((share / 100) * sorted.length) - 1)];
  if (value === undefined) throw new Error('a percentile of nothing');
  return value;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}
