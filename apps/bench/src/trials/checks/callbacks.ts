import { isTerminal, type Job } from '@comfy-fleet/contracts';
import {
  callsByJob,
  isFinal,
  isGone,
  isTaken,
  isToBeNotified,
  jobIdOf,
  orderOf,
  statusOf,
} from '../evidence/calls-by-job.js';
import type { Call } from '../evidence/evidence.js';
import { type Breach, type Check, count, tally } from './check.js';

/**
 * Every receiver that was to be notified was: it took the call, or asked not to be called. Each call, also a repeat, says
 * how its job ended, under that job's webhook-id, and not before the end.
 */
export const callbacks: Check = (evidence) => {
  const { calls, jobs } = evidence;
  const breaches: Breach[] = [];
  const byJob = callsByJob(evidence);
  let wanted = 0;
  for (const job of jobs.values()) {
    if (job === undefined || !isTerminal(job.status)) continue;
    const own = byJob.get(job.id) ?? [];
    const isWanted = isToBeNotified(job, orderOf(job, evidence));
    if (isWanted) wanted += 1;
    if (isWanted && !own.some(isFinal)) {
      const what = `nobody was notified of the end of job ${job.id} (${job.status}) in ${own.length} calls`;
      breaches.push({ what, jobId: job.id });
    }
    if (!isWanted && own.length > 0) {
      breaches.push({
        what: `somebody was notified of job ${job.id} (${job.status}), and was not to be`,
        jobId: job.id,
      });
    }
  }
  for (const [id, own] of byJob) {
    for (const call of own) {
      const fault = faultOf(call, jobs.get(id));
      if (fault !== undefined) breaches.push({ what: `the call ${call.webhookId} at ${call.at} ${fault}`, jobId: id });
    }
  }
  const settled = (how: (call: Call) => boolean) => count(byJob.values(), (own) => own.some(how));
  return {
    rows: [
      ['notifications wanted', wanted],
      ['… taken with a 2xx', settled(isTaken)],
      ['… stopped by a 410', settled(isGone)],
      ['calls of the receiver', calls.length],
      ['… by answer', tally(calls.map(wordOf))],
      ['most calls of one job', Math.max(0, ...[...byJob.values()].map(({ length }) => length))],
    ],
    breaches,
  };
};

/** The least that holds of callbacks: somebody was notified of each end at least once. */
export const notified: Check = ({ jobs, calls }) => {
  const ids = new Set(calls.filter(isTaken).map(jobIdOf));
  const missing = [...jobs.values()].filter((job) => job !== undefined && isTerminal(job.status) && !ids.has(job.id));
  const breaches = missing.flatMap((job) =>
    job === undefined ? [] : [{ what: `nobody was notified of the end of ${job.id}`, jobId: job.id }],
  );
  return { rows: [], breaches };
};

function faultOf(call: Call, job: Job | undefined): string | undefined {
  if (job === undefined) return 'is of no job that is known';
  if (job.finished_at === null) return `came although the job is ${job.status}`;
  if (call.jobId !== job.id) return `is of job ${call.jobId}`;
  if (call.tag !== job.metadata.chaos) return `came to the address of ${call.tag}`;
  if (call.type !== `job.${job.status}` || call.status !== job.status) {
    return `says ${call.type} (${call.status}), and the job is ${job.status}`;
  }
  if (call.endedAt !== job.finished_at) return `says the job ended at ${call.endedAt}, not at ${job.finished_at}`;
  if (call.at < Date.parse(job.finished_at)) return `came before its job ended at ${job.finished_at}`;
  const [named, has] = [call.sha256s, job.outputs.map(({ sha256 }) => sha256)].map((list) => list.join());
  return named === has ? undefined : 'names other outputs than the job has';
}

function wordOf(call: Call): string {
  if (typeof call.answer === 'string') return call.answer;
  return call.answer.delayMs === undefined ? `${statusOf(call)}` : `slow ${statusOf(call)}`;
}
