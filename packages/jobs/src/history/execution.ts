import type { ExecutionOutcome, Lod } from '@comfy-fleet/contracts';

/** One execution by one instance. Times are ms since 1970, by Redis' clock. */
export interface Execution {
  readonly from: number;
  /** Of one that goes on: now. */
  readonly till: number;
  readonly job: string;
  /** Null where it is not known (any more). */
  readonly workflow: string | null;
  readonly lod: Lod;
  readonly key: string;
  readonly outcome: ExecutionOutcome;
  /** How long of it models were loaded, as far as that was seen. */
  readonly loadingMs: number;
}

/** What timeline.lua says, in the words of its readers. */
const OUTCOMES: Readonly<Record<string, ExecutionOutcome>> = {
  succeeded: 'completed',
  failed: 'failed',
  canceled: 'canceled',
};

/** A line of timeline.lua. */
export function parseExecution(line: string): Execution {
  const [from, till, loadingMs, outcome = '', lod, key = '', job = '', ...workflow] = line.split(' ');
  return {
    from: Number(from),
    till: Number(till),
    job,
    workflow: workflow.join(' ') || null,
    lod: lod as Lod,
    key,
    outcome: OUTCOMES[outcome] ?? 'stopped',
    loadingMs: Number(loadingMs),
  };
}
