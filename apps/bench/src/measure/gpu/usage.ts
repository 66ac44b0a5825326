import { median } from '../../lib/statistics.js';
import type { Execution } from './executions.js';

/** How well a number of GPUs were used. */
export interface Usage {
  readonly prompts: number;
  /** From the first start to the last end, in milliseconds. */
  readonly spanMs: number;
  /** Of all GPUs together, over the span. */
  readonly promptsPerSecond: number;
  /** Share of the span in which a GPU executed something, 0 to 1; the mean over the GPUs. */
  readonly busy: number;
  /** Between the end of a prompt and the start of the next one on the same GPU, in milliseconds. */
  readonly medianGapMs: number;
  readonly longestGapMs: number;
}

/** Throws when there is nothing to measure. */
export function usageOf(executions: readonly Execution[]): Usage {
  if (executions.length === 0) throw new Error('no prompt was executed');
  const gaps = gapsIn(executions);
  const spanMs =
    Math.max(...executions.map(({ endedAt }) => endedAt)) - Math.min(...executions.map(({ startedAt }) => startedAt));
  const executingMs = executions.reduce((sum, { startedAt, endedAt }) => sum + endedAt - startedAt, 0);
  const gpus = new Set(executions.map(({ gpu }) => gpu)).size;
  return {
    prompts: executions.length,
    spanMs,
    promptsPerSecond: (executions.length * 1000) / spanMs,
    busy: executingMs / (spanMs * gpus),
    medianGapMs: gaps.length === 0 ? 0 : median(gaps),
    longestGapMs: Math.max(0, ...gaps),
  };
}

/** The pauses of every GPU, in milliseconds, in no particular order. */
export function gapsIn(executions: readonly Execution[]): number[] {
  const lastEnd = new Map<number, number>();
  return executions
    .toSorted((a, b) => a.startedAt - b.startedAt || a.endedAt - b.endedAt)
    .flatMap(({ gpu, startedAt, endedAt }) => {
      const before = lastEnd.get(gpu);
      lastEnd.set(gpu, endedAt);
      return before === undefined ? [] : [startedAt - before];
    });
}
