import { isHintId } from '@comfy-fleet/contracts';
import { count, tally } from '../../lib/report.js';
import type { Breach, Check, Evidence, Execution } from '../evidence/evidence.js';
import {
  absences,
  endOf,
  executionsByJob,
  historyVictims,
  isHung,
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

/** A job is not rendered again while the first rendering can still be found: every repetition has a cause. */
export const renderings: Check = (evidence) => {
  const breaches: Breach[] = [];
  const causes: Cause[] = [];
  const known = new Set(evidence.histories.flatMap(({ submissions }) => submissions.map(({ promptId }) => promptId)));
  const isTestPrompt = (promptId: string) =>
    evidence.processes.some(({ log }) =>
      log.split('\n').some((line) => line.includes('a test prompt is submitted') && line.includes(promptId)),
    );
  for (const { promptId, simulator } of evidence.executions) {
    if (!known.has(promptId) && !isHintId(promptId) && !isTestPrompt(promptId)) {
      breaches.push({ what: `${simulator} executed ${promptId}, which is in no job's record` });
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
      what: `job ${job.id} reports ${job.attempts} attempts and was executed ${executed} times`,
      jobId: job.id,
    });
  }
  return {
    rows: [
      ['executions', evidence.executions.length],
      ['… that only encode texts ahead, by outcome', tally(hintsIn(evidence).map(({ outcome = 'killed' }) => outcome))],
      ['executions beyond the first of a job', causes.length + unexplained],
      ['… by cause', tally(causes)],
      ['… unexplained', unexplained],
    ],
    breaches,
  };
};

/** Executions that only encode the texts of waiting jobs. */
function hintsIn({ executions }: Evidence): Execution[] {
  return executions.filter(({ promptId }) => isHintId(promptId));
}

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
  // A job that timed out on a hung instance is retried once on another one.
  if (isHung(before, evidence)) return 'simulator hung';
  const planted = faults.filter((fault) => fault.pid === pid && fault.plantedAt <= (endedAt ?? gatheredAt));
  if (outcome === 'error' && planted.some(({ kind }) => kind === 'out_of_memory')) return 'out of memory';
  // If other jobs failed on the instance, too, the job is retried on another one.
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

/** How long a worker may take to reconnect to Redis, in ms. */
const RECONNECT_MS = 1000;

/**
 * A cancel that was answered `canceling` or `canceled` ends the job as canceled. After the answer, and after the end of
 * the job, the GPU works on it for no more than a step and the time that a cancel takes to get there. The instance's
 * worker carries out cancels and learns of them through Redis. So only time counts in which both were up, and in which
 * a restarted worker has had the time to take over its predecessor's jobs.
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
      if (longestFree({ from: at, to: endedAt }, timesDown(execution, evidence)) < allowed) excused += 1;
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
      // An execution that ignores interrupts cannot be stopped.
      if (late <= allowed || isHung(execution, evidence)) continue;
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
      ['canceled jobs rendered to the end because a worker or Redis was down', excused],
    ],
    breaches,
  };
};

/** When the first cancel of each job was answered `canceling` or `canceled`. */
function acknowledgements({ cancels }: Evidence): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  for (const { jobId, jobStatus, answeredAt } of cancels) {
    if (jobStatus !== 'canceling' && jobStatus !== 'canceled') continue;
    first.set(jobId, Math.min(answeredAt, first.get(jobId) ?? answeredAt));
  }
  return first;
}

function timesDown({ simulator }: Execution, { outages, settings, gatheredAt }: Evidence): Span[] {
  const worker = simulator.split('/')[0];
  const takeoverMs = settings.lockMs + settings.stalledCheckMs + RECONNECT_MS;
  return outages.flatMap(({ process, killedAt, upAt = gatheredAt }) => {
    if (process === 'redis') return [{ from: killedAt, to: upAt + RECONNECT_MS }];
    return process === worker ? [{ from: killedAt, to: upAt + takeoverMs }] : [];
  });
}
