import { isTerminal } from '@comfy-fleet/contracts';
import { isTaken, jobIdOf } from '../evidence/calls-by-job.js';
import type { Evidence } from '../evidence/evidence.js';
import { executionsByJob } from '../evidence/executions.js';
import { timeline } from '../evidence/timeline.js';
import type { Broken } from '../phase.js';
import { accepted } from './accepted.js';
import { callbacks } from './callbacks.js';
import { type Check, type Finding, tally } from './check.js';
import { deliveryLogs } from './delivery-logs.js';
import { failures } from './failures.js';
import { leftovers } from './leftovers.js';
import { orders } from './orders.js';
import { pictures } from './pictures.js';
import { processes } from './processes.js';
import { renderings } from './renderings.js';
import { repeats } from './repeats.js';
import { signatures } from './signatures.js';

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
