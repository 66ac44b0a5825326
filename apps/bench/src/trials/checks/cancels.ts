import type { Evidence, Execution } from '../evidence/evidence.js';
import { endOf, executionsByJob, isDeaf } from '../evidence/executions.js';
import { longestFree, type Span } from '../evidence/spans.js';
import { type Breach, type Check, count, tally } from './check.js';

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
