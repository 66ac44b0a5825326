import type { Evidence } from '../evidence/evidence.js';
import { timeline } from '../evidence/timeline.js';
import type { Check } from './check.js';

/** A breach by the name of its check. */
export interface JudgedBreach {
  readonly check: string;
  readonly what: string;
  /** What helps to see why, line by line. */
  readonly story: readonly string[];
}

export interface Verdict {
  readonly rows: readonly (readonly [string, number | string])[];
  readonly breaches: readonly JudgedBreach[];
}

export function judge(checks: Readonly<Record<string, Check>>, evidence: Evidence): Verdict {
  const findings = Object.entries(checks).map(([name, check]) => ({ check: name, ...check(evidence) }));
  const breaches = findings.flatMap(({ check, breaches }) =>
    breaches.map(({ what, jobId }) => ({ check, what, story: jobId === undefined ? [] : timeline(jobId, evidence) })),
  );
  return { rows: findings.flatMap(({ rows }) => rows), breaches };
}
