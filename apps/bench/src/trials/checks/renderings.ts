import type { Evidence, Execution } from '../evidence/evidence.js';
import { executionsByJob, historyVictims, isDeaf } from '../evidence/executions.js';
import { absences } from '../evidence/outages.js';
import { type Breach, type Check, tally } from './check.js';

type Cause =
  | 'sick GPU'
  | 'simulator hung'
  | 'simulator killed'
  | 'out of memory'
  | 'node error'
  | 'history lost'
  | 'worker away';

/** Nothing is rendered twice while the first rendering can still be found: each further execution of a job has a cause. */
export const renderings: Check = (evidence) => {
  const breaches: Breach[] = [];
  const causes: Cause[] = [];
  const known = new Set(evidence.histories.flatMap(({ submissions }) => submissions.map(({ promptId }) => promptId)));
  const isTestPrompt = (promptId: string) =>
    evidence.processes.some(({ log }) =>
      log.split('\n').some((line) => line.includes('a test prompt is submitted') && line.includes(promptId)),
    );
  for (const { promptId, simulator } of evidence.executions) {
    if (!known.has(promptId) && !isTestPrompt(promptId)) {
      breaches.push({ what: `${simulator} executed ${promptId}, which no job's record knows` });
    }
  }
  const victims = historyVictims(evidence);
  let unexplained = 0;
  const byJob = executionsByJob(evidence);
  for (const [jobId, executions] of byJob) {
    for (const [n, next] of executions.entries()) {
      const before = executions[n - 1];
      if (before === undefined) continue;
      const cause = causeOf(before, next, evidence, victims);
      if (cause !== undefined) causes.push(cause);
      else {
        unexplained += 1;
        const first = `${before.simulator} (${before.outcome ?? 'no end'}, from ${before.startedAt} to ${before.endedAt})`;
        const what = `job ${jobId} was executed in ${first} and again in ${next.simulator} at ${next.startedAt}, without a cause`;
        breaches.push({ what, jobId });
      }
    }
  }
  for (const job of evidence.jobs.values()) {
    const executed = byJob.get(job?.id ?? '')?.length ?? 0;
    if (job === undefined || job.attempts <= executed) continue;
    breaches.push({
      what: `job ${job.id} says ${job.attempts} attempts and was executed ${executed} times`,
      jobId: job.id,
    });
  }
  return {
    rows: [
      ['executions', evidence.executions.length],
      ['executions beyond the first of a job', causes.length + unexplained],
      ['… by cause', tally(causes)],
      ['… unexplained', unexplained],
    ],
    breaches,
  };
};

function causeOf(
  before: Execution,
  next: Execution,
  evidence: Evidence,
  historyVictims: ReadonlySet<Execution>,
): Cause | undefined {
  const { outages, faults, settings, gatheredAt } = evidence;
  const { pid, simulator, startedAt, endedAt, outcome } = before;
  const killed = outages.some(
    (outage) => outage.pid === pid && outage.killedAt >= startedAt && outage.killedAt <= next.startedAt,
  );
  if (killed) return 'simulator killed';
  // A job whose time was up on a hung instance is tried once more on another one.
  if (isDeaf(before, evidence)) return 'simulator hung';
  const planted = faults.filter((fault) => fault.pid === pid && fault.plantedAt <= (endedAt ?? gatheredAt));
  if (outcome === 'error' && planted.some(({ kind }) => kind === 'out_of_memory')) return 'out of memory';
  // Where others failed as well it is tried on another instance.
  if (outcome === 'error' && planted.some(({ kind }) => kind === 'node_error')) return 'node error';
  if (outcome === 'error' && planted.some(({ kind }) => kind === 'cuda_error')) return 'sick GPU';
  if (historyVictims.has(before)) return 'history lost';
  const patience = settings.adoptWaitSeconds * 1000;
  const away = absences(outages, simulator.split('/')[0] ?? '', gatheredAt).some(({ from, to }) => {
    const longEnough = from + patience;
    return to >= startedAt && longEnough <= Math.min(to, next.startedAt);
  });
  return away ? 'worker away' : undefined;
}
