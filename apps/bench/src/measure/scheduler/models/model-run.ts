import type { JournalLine } from '@comfy-fleet/testing';

/** What the GPUs did for the jobs of a scenario, and how long these waited. */
export interface ModelRun {
  readonly patienceSeconds: number;
  readonly jobs: number;
  /** Model files that were read. */
  readonly loads: number;
  /** From the start of the first prompt to the end of the last. */
  readonly makespanMs: number;
  /** Of a prompt that had nothing to load, the mean. */
  readonly promptMs: number;
  /** Of each job, from its acceptance until a GPU began with it. */
  readonly waitsMs: readonly number[];
}

/** Throws when not every job was executed once, with success. */
export function modelRun(
  lines: readonly JournalLine[],
  { patienceSeconds, waitsMs }: Pick<ModelRun, 'patienceSeconds' | 'waitsMs'>,
): ModelRun {
  const ends = lines.flatMap((line) => (line.event === 'end' && line.outcome === 'success' ? [line] : []));
  const jobs = waitsMs.length;
  if (ends.length !== jobs || lines.length !== 2 * jobs) {
    throw new Error(`for ${jobs} jobs the GPUs ended ${ends.length} prompts well and wrote ${lines.length} lines`);
  }
  const quick = ends.filter(({ loaded }) => loaded.length === 0);
  return {
    patienceSeconds,
    jobs,
    loads: ends.reduce((sum, { loaded }) => sum + loaded.length, 0),
    makespanMs: Math.max(...ends.map(({ ended_at }) => ended_at)) - Math.min(...ends.map((end) => end.started_at)),
    promptMs: quick.reduce((sum, { started_at, ended_at }) => sum + ended_at - started_at, 0) / quick.length,
    waitsMs,
  };
}
