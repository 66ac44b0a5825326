import { table } from '../lib/table.js';

/** A number that was measured, and what it is to be. */
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
