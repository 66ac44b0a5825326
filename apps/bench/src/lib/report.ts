type Row = readonly (string | number)[];

/**
 * A table with a title. The first column is aligned to the left, the others to the right. Without column names it is a
 * list of names and values, which are all aligned to the left.
 */
export function table(title: string, head: readonly string[], rows: readonly Row[]): string {
  const lines = rows.map((row) => row.map(String));
  const isList = head.every((name) => name === '');
  const widths = head.map((name, column) => Math.max(name.length, ...lines.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 || isList ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width));
  return ['', title, line(head), line(rule), ...lines.map(line)].join('\n');
}

/** The smallest value that `share` per cent of the values do not exceed (nearest rank). Throws for an empty list. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((share / 100) * sorted.length) - 1)];
  if (value === undefined) throw new Error('an empty list has no percentile');
  return value;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** A percentile with one decimal place. */
export const p = (ms: readonly number[], share: number) => percentile(ms, share).toFixed(1);

export function count<T>(list: Iterable<T>, matches: (item: T) => boolean): number {
  let n = 0;
  for (const item of list) if (matches(item)) n += 1;
  return n;
}

/** How often each word occurs, most frequent first: `a 3, b 1`. */
export function tally(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return sorted.length === 0 ? 'none' : sorted.map(([word, n]) => `${word} ${n}`).join(', ');
}

/** A measured number and its limit. */
export interface Goal {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly bound: 'at least' | 'at most' | 'less than';
  readonly limit: number;
}

export function isMet({ value, bound, limit }: Goal): boolean {
  if (bound === 'at least') return value >= limit;
  return bound === 'at most' ? value <= limit : value < limit;
}

const SIGNS = { 'at least': '>=', 'at most': '<=', 'less than': '<' } as const;

export function goalTable(goals: readonly Goal[]): string {
  const rows = goals.map((goal) => {
    const digits = goal.unit === '' ? 3 : 1;
    const show = (value: number) => `${value.toFixed(digits)}${goal.unit === '' ? '' : ` ${goal.unit}`}`;
    return [goal.what, show(goal.value), `${SIGNS[goal.bound]} ${show(goal.limit)}`, isMet(goal) ? 'ok' : 'MISSED'];
  });
  return table('Goals', ['', 'value', 'goal', ''], rows);
}
