import type { Choice } from './simulation.js';

/** GPU ms that were given to each key while all keys had jobs waiting. */
export function gpuTimeOf(choices: readonly Choice[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { job, contested } of choices) {
    times.set(job.key, (times.get(job.key) ?? 0) + (contested ? job.gpuMs : 0));
  }
  return times;
}

/** The share of one key in what all have, 0 to 1; 0 when nobody has anything. */
export function shareOf(key: string, amounts: ReadonlyMap<string, number>): number {
  const all = [...amounts.values()].reduce((sum, amount) => sum + amount, 0);
  return all === 0 ? 0 : (amounts.get(key) ?? 0) / all;
}

/** How far the key is that is furthest from its due, in per cent of that: 0 is just, -100 is nothing at all. */
export function percentOffDue(times: ReadonlyMap<string, number>, weights: ReadonlyMap<string, number>): number {
  const offs = [...weights.keys()].map((key) => (shareOf(key, times) / shareOf(key, weights) - 1) * 100);
  return offs.reduce((worst, off) => (Math.abs(off) > Math.abs(worst) ? off : worst), 0);
}

/** Jain's fairness index: 1 when all have the same, 1 ÷ their number when one has everything. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((all, value) => all + value, 0);
  const squares = values.reduce((all, value) => all + value ** 2, 0);
  return squares === 0 ? 0 : sum ** 2 / (values.length * squares);
}
