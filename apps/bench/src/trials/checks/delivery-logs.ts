import type { Job, WebhookAttempt, WebhookDelivery } from '@comfy-fleet/contracts';
import { tally } from '../../lib/report.js';
import {
  callsByJob,
  hindrance,
  isAnsweredTooLate,
  isTaken,
  isToBeNotified,
  orderOf,
  statusOf,
} from '../evidence/calls-by-job.js';
import type { Breach, Call, Check, Evidence } from '../evidence/evidence.js';

/** `GET /jobs/:id/webhooks` shows what the receiver saw: every try but those whose outcome died with somebody, and how it ended. */
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
      breaches.push({ what: `the webhook of job ${id} cannot be asked for`, jobId: id });
      continue;
    }
    states.push(delivery.state);
    tries += delivery.attempts.length;
    const calls = byJob.get(id) ?? [];
    const outcome = calls.some(isTaken) ? 'delivered' : 'failed';
    const expected = isToBeNotified(job, orderOf(job, evidence)) ? outcome : 'skipped';
    const { unseen, unlogged } = compare(delivery.attempts, calls, evidence);
    const faults = [
      ...faultsOf(job, delivery, expected),
      ...unseen.map(({ at, status }) => `has a try at ${at} (${status}) that the receiver did not see`),
    ];
    for (const call of unlogged) {
      const cause = hindrance(call, evidence);
      if (cause !== undefined) causes.push(cause);
      else faults.push(`does not have the call at ${call.at} that was answered ${statusOf(call) ?? call.answer}`);
    }
    for (const fault of faults) breaches.push({ what: `the log of job ${id}'s webhook ${fault}`, jobId: id });
  }
  return {
    rows: [
      ['webhooks by state', tally(states)],
      ['tries in their logs', tries],
      ['calls that no log has, since somebody died', tally(causes)],
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
    ...(state === expected ? [] : [`says ${state}, not ${expected}`]),
    ...(next_attempt_at === null ? [] : [`speaks of another try at ${next_attempt_at}`]),
    ...((last?.delivered ?? false) === (state === 'delivered') ? [] : [`says ${state} after ${JSON.stringify(last)}`]),
  ];
}

/** Pairs each logged try with the call of that second that was answered so, or when its caller had given up. */
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
