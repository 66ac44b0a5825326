import { isTerminal } from '@comfy-fleet/contracts';
import { isTaken, jobIdOf } from '../chaos/calls-by-job.js';
import { type Check, type Finding, tally } from '../chaos/check.js';
import { accepted } from '../chaos/checks/accepted.js';
import { callbacks } from '../chaos/checks/callbacks.js';
import { deliveryLogs } from '../chaos/checks/delivery-logs.js';
import { failures } from '../chaos/checks/failures.js';
import { leftovers } from '../chaos/checks/leftovers.js';
import { orders } from '../chaos/checks/orders.js';
import { pictures } from '../chaos/checks/pictures.js';
import { processes } from '../chaos/checks/processes.js';
import { renderings } from '../chaos/checks/renderings.js';
import { repeats } from '../chaos/checks/repeats.js';
import { signatures } from '../chaos/checks/signatures.js';
import type { Evidence } from '../chaos/evidence.js';
import { executionsByJob } from '../chaos/executions.js';
import { timeline } from '../chaos/timeline.js';
import type { Broken } from './phase.js';

/** What is to hold however everything is restarted. */
export const ALWAYS: Readonly<Record<string, Check>> = {
  accepted,
  orders,
  pictures,
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
 * was not, so that it may be rendered, and told, again.
 */
export const SURVIVING: Readonly<Record<string, Check>> = {
  accepted,
  orders,
  pictures,
  failures,
  told,
  signatures,
  leftovers,
  processes,
};

/** Each end was told at least once. */
function told({ jobs, calls }: Evidence): Finding {
  const ids = new Set(calls.filter(isTaken).map(jobIdOf));
  const untold = [...jobs.values()].filter((job) => job !== undefined && isTerminal(job.status) && !ids.has(job.id));
  const breaches = untold.flatMap((job) =>
    job === undefined ? [] : [{ what: `the end of ${job.id} was not told`, jobId: job.id }],
  );
  return { rows: [], breaches };
}

export interface Verdict {
  readonly rows: readonly (readonly [string, number | string])[];
  readonly broken: readonly Broken[];
}

export function judge(checks: Readonly<Record<string, Check>>, evidence: Evidence): Verdict {
  const findings = Object.entries(checks).map(([check, judge]) => ({ check, ...judge(evidence) }));
  const broken = findings.flatMap(({ check, breaches }) =>
    breaches.map(({ what, jobId }) => ({ check, what, story: jobId === undefined ? [] : timeline(jobId, evidence) })),
  );
  return { rows: findings.flatMap(({ rows }) => rows), broken };
}

/** How many jobs were rendered how often: `once 120, 2 times 3`. */
export function renderingsPerJob(evidence: Evidence): string {
  const times = [...executionsByJob(evidence).values()].map(({ length }) =>
    length === 1 ? 'once' : `${length} times`,
  );
  return tally(times);
}
