import { EXECUTION_OUTCOMES, type TimelineStretch } from '@comfy-fleet/contracts';
import type { Execution } from '@comfy-fleet/jobs';

/** Executions in a row; a field is null where they differ in it. */
interface Stretch extends Omit<Execution, 'job' | 'lod' | 'key'> {
  readonly jobs: number;
  readonly job: string | null;
  readonly lod: Execution['lod'] | null;
  readonly key: string | null;
}

interface Span {
  /** ms since 1970. */
  readonly from: number;
  readonly till: number;
  /** Stretches that are shown. */
  readonly most: number;
}

/**
 * What an instance executed, in at most so many stretches. While there are more, neighbours of the same workflow, level of
 * detail and outcome become one unless a gap is between them that can be seen at this width; where that is not enough,
 * all that begin within one part of the time.
 */
export function presentTimeline(executions: readonly Execution[], { from, till, most }: Span): TimelineStretch[] {
  const running = executions.filter(({ outcome }) => outcome === 'running');
  const past = executions.filter(({ outcome }) => outcome !== 'running').map((one) => ({ ...one, jobs: 1 }));
  const parts = Math.max(1, most - running.length);
  const width = (till - from) / parts;
  let shown: Stretch[] = past;
  if (shown.length > parts) shown = joined(past, (a, b) => isAlike(a, b) && b.from - a.till < width);
  if (shown.length > parts) {
    const partOf = ({ from: at }: Stretch) => Math.min(parts - 1, Math.floor((at - from) / width));
    shown = joined(past, (a, b) => partOf(a) === partOf(b));
  }
  return [...shown, ...running.map((one) => ({ ...one, jobs: 1 }))].map(present);
}

/** `belongs`: whether the second belongs to the stretch that the first begins. */
function joined(stretches: readonly Stretch[], belongs: (a: Stretch, b: Stretch) => boolean): Stretch[] {
  const all: Stretch[] = [];
  for (const next of stretches) {
    const last = all.at(-1);
    if (last !== undefined && belongs(last, next)) all[all.length - 1] = join(last, next);
    else all.push(next);
  }
  return all;
}

function isAlike(a: Stretch, b: Stretch): boolean {
  return a.workflow === b.workflow && a.lod === b.lod && a.outcome === b.outcome;
}

function join(a: Stretch, b: Stretch): Stretch {
  const severity = (one: Stretch) => EXECUTION_OUTCOMES.indexOf(one.outcome);
  return {
    from: a.from,
    till: b.till,
    jobs: a.jobs + b.jobs,
    job: null,
    workflow: a.workflow === b.workflow ? a.workflow : null,
    lod: a.lod === b.lod ? a.lod : null,
    key: a.key === b.key ? a.key : null,
    outcome: severity(a) < severity(b) ? a.outcome : b.outcome,
    loadingMs: a.loadingMs + b.loadingMs,
  };
}

function present({ from, till, jobs, job, workflow, lod, key, outcome, loadingMs }: Stretch): TimelineStretch {
  return {
    from: new Date(from).toISOString(),
    to: new Date(till).toISOString(),
    jobs,
    job_id: job,
    workflow,
    lod,
    key,
    outcome,
    loading_seconds: Math.round(loadingMs / 100) / 10,
  };
}
