import type { Job } from '@comfy-fleet/contracts';
import type { Evidence, Execution } from '../evidence/evidence.js';
import { diedUnder, executionsByJob, historyVictims, isDeaf } from '../evidence/executions.js';
import { type Breach, type Check, count, tally } from './check.js';

/** A job fails only with a code that something injected explains. */
export const failures: Check = (evidence) => {
  const breaches: Breach[] = [];
  const codes: string[] = [];
  const executions = executionsByJob(evidence);
  for (const job of evidence.jobs.values()) {
    if (job === undefined || job.status === 'succeeded' || job.status === 'canceled') continue;
    const code = job.error?.code ?? job.status;
    codes.push(code);
    if (explains(code, job, executions.get(job.id) ?? [], evidence)) continue;
    breaches.push({
      what: `job ${job.id} is ${job.status}, which nothing explains: ${JSON.stringify(job.error)}`,
      jobId: job.id,
    });
  }
  return {
    rows: [['failed jobs by code', tally(codes)]],
    breaches,
  };
};

function explains(code: string, job: Job, executions: readonly Execution[], evidence: Evidence): boolean {
  const { faults, settings, gatheredAt } = evidence;
  const finishedAt = job.finished_at === null ? gatheredAt : Date.parse(job.finished_at);
  const met = (kind: string, outcome: Execution['outcome']) =>
    count(
      executions,
      (execution) =>
        execution.outcome === outcome && faults.some((fault) => fault.kind === kind && fault.pid === execution.pid),
    );
  switch (code) {
    case 'node_execution_error':
      return met('node_error', 'error') >= 1;
    case 'out_of_memory':
      return met('out_of_memory', 'error') >= 2;
    case 'timed_out':
      // A hanging prompt, or a machine so busy that a step takes many times what it should.
      return executions.some((execution) => {
        const stopped = execution.outcome === 'interrupted' ? lasted(execution) : 0;
        const givenUp = isDeaf(execution, evidence) ? finishedAt - execution.startedAt : 0;
        return Math.max(stopped, givenUp) >= settings.deadlineSeconds * 1000;
      });
    case 'instance_killed':
      return count(executions, (execution) => diedUnder(execution, finishedAt, evidence)) >= settings.maxInstanceDeaths;
    case 'prompt_lost': {
      // That each one before the last was lost for a reason, the check of the renderings sees to.
      const last = executions.at(-1);
      if (last === undefined || executions.length < settings.maxAttempts) return false;
      return diedUnder(last, finishedAt, evidence) || historyVictims(evidence).has(last);
    }
    case 'worker_killed': {
      const claims = evidence.histories.find(({ id }) => id === job.id)?.claims ?? [];
      return claims.length > settings.maxWorkerDeaths;
    }
    default:
      return false;
  }
}

function lasted({ startedAt, endedAt = startedAt }: Execution): number {
  return endedAt - startedAt;
}
