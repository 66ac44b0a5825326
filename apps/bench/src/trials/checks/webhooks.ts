import { isTerminal, type Job } from '@comfy-fleet/contracts';
import { count, tally } from '../../lib/report.js';
import {
  answeredAt,
  callsByJob,
  isAccepted,
  isFinal,
  isGone,
  isToBeNotified,
  jobIdOf,
  lossCause,
  orderOf,
  statusOf,
} from '../evidence/calls-by-job.js';
import type { Breach, Call, Check, Evidence } from '../evidence/evidence.js';
import { secretsOf } from '../people/receiver.js';

/**
 * Every receiver was notified as requested: it accepted a call, or asked not to be called any more. Each call,
 * including repeats, comes after the end of the job, reports that end, and has the webhook-id of the job.
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
      const what = `the end of job ${job.id} (${job.status}) was not notified in ${own.length} calls`;
      breaches.push({ what, jobId: job.id });
    }
    if (!isWanted && own.length > 0) {
      breaches.push({
        what: `job ${job.id} (${job.status}) was notified without a request`,
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
      ['… accepted with a 2xx', settled(isAccepted)],
      ['… stopped by a 410', settled(isGone)],
      ['calls of the receiver', calls.length],
      ['… by answer', tally(calls.map(wordOf))],
      ['most calls for one job', Math.max(0, ...[...byJob.values()].map(({ length }) => length))],
    ],
    breaches,
  };
};

/** A weaker promise than that of callbacks: each end was notified at least once. */
export const notified: Check = ({ jobs, calls }) => {
  const ids = new Set(calls.filter(isAccepted).map(jobIdOf));
  const missing = [...jobs.values()].filter((job) => job !== undefined && isTerminal(job.status) && !ids.has(job.id));
  const breaches = missing.flatMap((job) =>
    job === undefined ? [] : [{ what: `the end of job ${job.id} was not notified`, jobId: job.id }],
  );
  return { rows: [], breaches };
};

function faultOf(call: Call, job: Job | undefined): string | undefined {
  if (job === undefined) return 'is for an unknown job';
  if (job.finished_at === null) return `came although the job is ${job.status}`;
  if (call.jobId !== job.id) return `is for job ${call.jobId}`;
  if (call.tag !== job.metadata.chaos) return `came to the address of ${call.tag}`;
  if (call.type !== `job.${job.status}` || call.status !== job.status) {
    return `reports ${call.type} (${call.status}), and the job is ${job.status}`;
  }
  if (call.endedAt !== job.finished_at) return `reports an end at ${call.endedAt}, not at ${job.finished_at}`;
  if (call.at < Date.parse(job.finished_at)) return `came before its job ended at ${job.finished_at}`;
  const [named, has] = [call.sha256s, job.outputs.map(({ sha256 }) => sha256)].map((list) => list.join());
  return named === has ? undefined : 'has other outputs than the job';
}

function wordOf(call: Call): string {
  if (typeof call.answer === 'string') return call.answer;
  return call.answer.delayMs === undefined ? `${statusOf(call)}` : `slow ${statusOf(call)}`;
}

/** Two clocks are compared: BullMQ's and ours. */
const CLOCK_SLACK_MS = 20;
/** Delays of the schedule vary, down to this share. */
const SHORTEST = 0.8;

/**
 * A webhook is called again after a 2xx or a 410 only if the result could not be recorded, because a dispatcher or
 * Redis died, or because a dispatcher lost its lock or had given up. Other calls are repeated only after the scheduled
 * delay, with the same exceptions.
 */
export const repeats: Check = (evidence) => {
  const breaches: Breach[] = [];
  const causes: string[] = [];
  let early = 0;
  let unexplained = 0;
  for (const [jobId, calls] of callsByJob(evidence)) {
    for (const [n, next] of calls.entries()) {
      const before = calls[n - 1];
      if (before === undefined) continue;
      const wait = next.at - answeredAt(before, evidence);
      if (!isFinal(before) && wait >= shortestWait(before, evidence) - CLOCK_SLACK_MS) continue;
      const cause = lossCause(before, evidence);
      if (isFinal(before)) {
        if (cause === undefined) unexplained += 1;
        else causes.push(cause);
      } else early += 1;
      if (cause !== undefined) continue;
      const how = isFinal(before) ? (isGone(before) ? 'was gone' : 'had accepted it') : 'should have been called later';
      breaches.push({
        what: `job ${jobId}'s receiver ${how} at ${before.at} and was called again after ${wait} ms`,
        jobId,
      });
    }
  }
  return {
    rows: [
      ['calls after a 2xx or a 410', causes.length + unexplained],
      ['… by cause', tally(causes)],
      ['… unexplained', unexplained],
      ['early calls, because a dispatcher or Redis died', early],
    ],
    breaches,
  };
};

/** The minimum time between the answer to a call and the next call, in ms. */
function shortestWait({ answer }: Call, { settings }: Evidence): number {
  // It is not known when exactly the dispatcher gives up.
  if (answer === 'hang') return 0;
  const asked = typeof answer === 'string' ? undefined : answer.retryAfterSeconds;
  return asked === undefined ? settings.webhookRetryMs * SHORTEST : asked * 1000;
}

/** Each call can be verified with each of the job's secrets, and was signed when it was sent. */
export const signatures: Check = ({ calls, orders, settings }) => {
  const breaches: Breach[] = [];
  const signers: string[] = [];
  const byTag = new Map(orders.map((order) => [order.tag, order]));
  for (const call of calls) {
    const { webhookId, at, timestampSeconds, signatureFaults } = call;
    const jobId = jobIdOf(call);
    const order = byTag.get(call.tag);
    if (order !== undefined) signers.push(signerOf(order.callback.secret !== undefined, secretsOf(order).length));
    for (const fault of signatureFaults) {
      breaches.push({ what: `the signature of ${webhookId} at ${at} is wrong: ${fault}`, jobId });
    }
    // Timestamps are whole seconds, rounded down.
    const age = at - timestampSeconds * 1000;
    if (age >= 0 && age < 1000 + settings.timestampSlackMs) continue;
    breaches.push({ what: `${webhookId} came at ${at} with the timestamp ${timestampSeconds}`, jobId });
  }
  return {
    rows: [
      ['signatures verified', count(calls, ({ signatureFaults }) => signatureFaults.length === 0)],
      ['… by secret', tally(signers)],
    ],
    breaches,
  };
};

function signerOf(isOwn: boolean, secrets: number): string {
  if (isOwn) return "the job's own";
  return secrets === 1 ? "the key's" : "the key's, rotating";
}
