import type { Check, Evidence } from '../evidence/evidence.js';
import { timeline } from '../evidence/timeline.js';
import { deliveryLogs } from './delivery-logs.js';
import { cancels, renderings } from './executions.js';
import { leftovers, outputs } from './files.js';
import { accepted, failures, orders } from './jobs.js';
import { processes } from './processes.js';
import { callbacks, notified, repeats, signatures } from './webhooks.js';

/** Promises by name, in the order of the table. */
export type Promises = Readonly<Record<string, Check>>;

/** Every promise that a run is held to. */
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

/** What is to hold however everything is restarted while nobody cancels anything. */
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
 * What is to hold when Redis' last instant is lost: only what was to be on a replica is promised. That a job had ended
 * was not, so that it may be rendered, and its receiver notified, again.
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
