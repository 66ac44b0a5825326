import type { JournalLine } from '@comfy-fleet/testing';

/** One prompt that a GPU ran to a successful end. Times in milliseconds since 1970, whole ones. */
export interface Execution {
  /** Which GPU: its port. */
  readonly gpu: number;
  readonly promptId: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/**
 * What a journal says began at `since` or later and has ended, in the order of the ends. A prompt that did not succeed
 * spoils the measurement: it throws.
 */
export function executionsIn(lines: readonly JournalLine[], since: number): Execution[] {
  const executions: Execution[] = [];
  for (const line of lines) {
    if (line.event === 'start' || line.started_at < since) continue;
    if (line.outcome !== 'success') throw new Error(`the prompt ${line.prompt_id} ended as ${line.outcome}`);
    executions.push({
      gpu: line.port,
      promptId: line.prompt_id,
      startedAt: line.started_at,
      endedAt: line.ended_at,
    });
  }
  return executions;
}
