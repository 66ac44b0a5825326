import { count, tally } from '../../lib/report.js';
import type { Breach, Check, Evidence, Execution } from '../evidence/evidence.js';
import {
  absences,
  endOf,
  executionsByJob,
  historyVictims,
  isDeaf,
  longestFree,
  type Span,
} from '../evidence/executions.js';

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

/** How long after Redis' return a worker has heard of it, in ms. */
const RECONNECT_MS = 1000;

/**
 * A cancel that was answered `canceling` or `canceled` ends the job as canceled, and the GPU does not work on it for more
 * than a step (and the way there) after the answer, nor after its end. Excused is what nobody alive could have stopped:
 * a cancel is carried out by the instance's worker, which hears of it through Redis, so the time counts in which both
 * have been there, the worker for as long as it takes until its dead predecessor's job is handed out again.
 */
export const cancels: Check = (evidence) => {
  const { settings, jobs } = evidence;
  const allowed = settings.stepMs + settings.cancelSlackMs;
  const breaches: Breach[] = [];
  let excused = 0;
  const executions = executionsByJob(evidence);
  const acknowledged = acknowledgements(evidence);
  for (const [jobId, at] of acknowledged) {
    const status = jobs.get(jobId)?.status;
    if (status !== 'canceled') breaches.push({ what: `job ${jobId} was canceled and is ${status}`, jobId });
    for (const execution of executions.get(jobId) ?? []) {
      const { endedAt, outcome, simulator } = execution;
      if (outcome !== 'success' || endedAt === undefined || endedAt <= at + allowed) continue;
      if (longestFree({ from: at, to: endedAt }, hindrances(execution, evidence)) < allowed) excused += 1;
      else {
        const what = `job ${jobId} was rendered to its end in ${simulator} ${endedAt - at} ms after its cancel's answer`;
        breaches.push({ what, jobId });
      }
    }
  }
  for (const job of jobs.values()) {
    if (job?.status !== 'canceled' || job.finished_at === null) continue;
    const finishedAt = Date.parse(job.finished_at);
    for (const execution of executions.get(job.id) ?? []) {
      const late = endOf(execution, evidence) - finishedAt;
      // Nobody could have stopped one that hears no interrupt.
      if (late <= allowed || isDeaf(execution, evidence)) continue;
      const what = `job ${job.id} was canceled, and ${execution.simulator} worked on it for ${late} ms more (${execution.outcome ?? 'killed'})`;
      breaches.push({ what, jobId: job.id });
    }
  }
  return {
    rows: [
      ['cancels', evidence.cancels.length],
      [
        'cancels by answer',
        tally(evidence.cancels.map(({ status, jobStatus }) => jobStatus ?? `${status ?? 'no answer'}`)),
      ],
      ['canceled jobs', count(jobs.values(), (job) => job?.status === 'canceled')],
      ['rendered to the end although canceled, excused by a dead worker or Redis', excused],
    ],
    breaches,
  };
};

/** When each job's first cancel was answered with the word that it is being, or was, canceled. */
function acknowledgements({ cancels }: Evidence): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  for (const { jobId, jobStatus, answeredAt } of cancels) {
    if (jobStatus !== 'canceling' && jobStatus !== 'canceled') continue;
    first.set(jobId, Math.min(answeredAt, first.get(jobId) ?? answeredAt));
  }
  return first;
}

function hindrances({ simulator }: Execution, { outages, settings, gatheredAt }: Evidence): Span[] {
  const worker = simulator.split('/')[0];
  const takeoverMs = settings.lockMs + settings.stalledCheckMs + RECONNECT_MS;
  return outages.flatMap(({ process, killedAt, upAt = gatheredAt }) => {
    if (process === 'redis') return [{ from: killedAt, to: upAt + RECONNECT_MS }];
    return process === worker ? [{ from: killedAt, to: upAt + takeoverMs }] : [];
  });
}
