import type { Job, WebhookAttempt, WebhookDelivery } from '@comfy-fleet/contracts';
import { tally } from '../../lib/report.js';
import {
  callsByJob,
  isAccepted,
  isAnsweredTooLate,
  isToBeNotified,
  lossCause,
  orderOf,
  statusOf,
} from '../evidence/calls-by-job.js';
import type { Breach, Call, Check, Evidence } from '../evidence/evidence.js';

/**
 * `GET /jobs/:id/webhooks` agrees with the receiver: it has the final state and every attempt, except those whose
 * outcome was lost when a process died.
 */
export const deliveryLogs: Check = (evidence) => {
  const breaches: Breach[] = [];
  const states: string[] = [];
  const causes: string[] = [];
  let tries = 0;
  const byJob = callsByJob(evidence);
  for (const [id, job] of evidence.jobs) {
    const delivery = evidence.deliveries.get(id);
    if (job === undefined) continue;
    if (delivery === undefined) {
      breaches.push({ what: `the webhook of job ${id} cannot be read`, jobId: id });
      continue;
    }
    states.push(delivery.state);
    tries += delivery.attempts.length;
    const calls = byJob.get(id) ?? [];
    const outcome = calls.some(isAccepted) ? 'delivered' : 'failed';
    const expected = isToBeNotified(job, orderOf(job, evidence)) ? outcome : 'skipped';
    const { unseen, unlogged } = compare(delivery.attempts, calls, evidence);
    const faults = [
      ...faultsOf(job, delivery, expected),
      ...unseen.map(({ at, status }) => `has an attempt at ${at} (${status}) that the receiver did not see`),
    ];
    for (const call of unlogged) {
      const cause = lossCause(call, evidence);
      if (cause !== undefined) causes.push(cause);
      else faults.push(`lacks the call at ${call.at} that was answered ${statusOf(call) ?? call.answer}`);
    }
    for (const fault of faults) breaches.push({ what: `the log of job ${id}'s webhook ${fault}`, jobId: id });
  }
  return {
    rows: [
      ['webhooks by state', tally(states)],
      ['attempts in their logs', tries],
      ['calls that no log has, because a process died', tally(causes)],
    ],
    breaches,
  };
};

function faultsOf(
  { id }: Job,
  { id: webhookId, state, next_attempt_at, attempts }: WebhookDelivery,
  expected: string,
): string[] {
  const last = attempts.at(-1);
  return [
    ...(webhookId === `msg_${id}` ? [] : [`has the id ${webhookId}`]),
    ...(state === expected ? [] : [`reports ${state}, not ${expected}`]),
    ...(next_attempt_at === null ? [] : [`announces another attempt at ${next_attempt_at}`]),
    ...((last?.delivered ?? false) === (state === 'delivered')
      ? []
      : [`reports ${state} after ${JSON.stringify(last)}`]),
  ];
}

/** Pairs each logged attempt with the call of the same second and status, or one that was answered too late. */
function compare(attempts: readonly WebhookAttempt[], calls: readonly Call[], evidence: Evidence) {
  const unlogged = [...calls];
  const unseen = attempts.filter((attempt) => {
    const at = Date.parse(attempt.at);
    const isIt = (call: Call) =>
      isAnsweredTooLate(call, attempt, evidence) ||
      (call.timestampSeconds === Math.floor(at / 1000) && call.at >= at && statusOf(call) === attempt.status);
    const index = unlogged.findIndex(isIt);
    if (index >= 0) unlogged.splice(index, 1);
    return index < 0;
  });
  return { unseen, unlogged };
}
