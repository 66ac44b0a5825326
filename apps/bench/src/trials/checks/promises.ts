import type { Check, Evidence } from '../evidence/evidence.js';
import { timeline } from '../evidence/timeline.js';
import { deliveryLogs } from './delivery-logs.js';
import { cancels, renderings } from './executions.js';
import { leftovers, outputs } from './files.js';
import { accepted, failures, orders } from './jobs.js';
import { processes } from './processes.js';
import { callbacks, notified, repeats, signatures } from './webhooks.js';

/** Checks by name, in the order of the table. */
export type Promises = Readonly<Record<string, Check>>;

/** All checks. */
export const CHECKS: Promises = {
  accepted,
  orders,
  outputs,
  cancels,
  renderings,
  failures,
  callbacks,
  signatures,
  repeats,
  deliveryLogs,
  leftovers,
  processes,
};

/** The checks for restarts without cancels. */
export const ALWAYS: Promises = {
  accepted,
  orders,
  outputs,
  renderings,
  failures,
  callbacks,
  signatures,
  repeats,
  deliveryLogs,
  leftovers,
  processes,
};

/**
 * The checks for a loss of the last writes of Redis, when only writes that were waited for on a replica are kept. The
 * end of a job is not among these, so it may be rendered and notified again.
 */
export const SURVIVING: Promises = {
  accepted,
  orders,
  outputs,
  failures,
  notified,
  signatures,
  leftovers,
  processes,
};

/** A broken promise, with the name of its check. */
export interface JudgedBreach {
  readonly check: string;
  readonly what: string;
  /** The events around the job, one per line. */
  readonly timeline: readonly string[];
}

export interface Verdict {
  readonly rows: readonly (readonly [string, number | string])[];
  readonly breaches: readonly JudgedBreach[];
}

export function judge(checks: Readonly<Record<string, Check>>, evidence: Evidence): Verdict {
  const findings = Object.entries(checks).map(([name, check]) => ({ check: name, ...check(evidence) }));
  const breaches = findings.flatMap(({ check, breaches }) =>
    breaches.map(({ what, jobId }) => ({
      check,
      what,
      timeline: jobId === undefined ? [] : timeline(jobId, evidence),
    })),
  );
  return { rows: findings.flatMap(({ rows }) => rows), breaches };
}
