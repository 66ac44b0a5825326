import type { Job, WebhookAttempt } from '@comfy-fleet/contracts';
import type { PlannedJob } from '../orders/plan-orders.js';
import type { Call, Evidence } from './evidence.js';

const GONE = 410;

/** The calls of each job's webhook, in the order of their coming: by the `webhook-id` that a job's webhook is to have. */
export function callsByJob({ calls }: Pick<Evidence, 'calls'>): ReadonlyMap<string, readonly Call[]> {
  const byJob = new Map<string, Call[]>();
  for (const call of calls) {
    const jobId = jobIdOf(call);
    byJob.set(jobId, [...(byJob.get(jobId) ?? []), call]);
  }
  return byJob;
}

/** The job whose webhook has this call's `webhook-id`. */
export function jobIdOf({ webhookId }: Pick<Call, 'webhookId'>): string {
  return webhookId.replace(/^msg_/, '');
}

/** The order that made this job. */
export function orderOf({ metadata }: Job, { orders }: Pick<Evidence, 'orders'>): PlannedJob | undefined {
  return orders.find(({ tag }) => tag === metadata.chaos);
}

/** Whether the receiver is to be notified of the end of this job. */
export function isToBeNotified({ status }: Job, order: PlannedJob | undefined): boolean {
  const events: readonly string[] | undefined = order?.callback.events;
  return events?.includes(`job.${status}`) ?? true;
}

export function statusOf({ answer }: Call): number | null {
  return typeof answer === 'string' ? null : answer.status;
}

export function isTaken(call: Call): boolean {
  const status = statusOf(call) ?? 0;
  return status >= 200 && status <= 299;
}

/** It was asked not to be called again. */
export function isGone(call: Call): boolean {
  return statusOf(call) === GONE;
}

export function isFinal(call: Call): boolean {
  return isTaken(call) || isGone(call);
}

/** When the caller had the answer, or gave up waiting for one. */
export function answeredAt({ at, answer }: Call, { settings }: Pick<Evidence, 'settings'>): number {
  if (answer === 'hang') return at + settings.webhookTimeoutMs;
  return answer === 'reset' ? at : at + (answer.delayMs ?? 0);
}

export type Hindrance = 'dispatcher killed' | 'redis killed' | 'lock lost' | 'answered too late';

/**
 * Whether this try, which has no answer in its log, is a call that was answered: on a busy machine a receiver is woken
 * when its caller has given up.
 */
export function isAnsweredTooLate(call: Call, { at, status }: WebhookAttempt, evidence: Evidence): boolean {
  const sentAt = Date.parse(at);
  const waited = answeredAt(call, evidence) - sentAt;
  return (
    status === null &&
    call.timestampSeconds === Math.floor(sentAt / 1000) &&
    waited >= evidence.settings.webhookTimeoutMs
  );
}

/** What may have kept a dispatcher from writing down what came of a call; undefined: nothing. */
export function hindrance(call: Call, evidence: Evidence): Hindrance | undefined {
  const { settings, gatheredAt } = evidence;
  // Signed in this second; what was sent may lie in the receiver's socket for a while.
  const since = call.timestampSeconds * 1000;
  const until = answeredAt(call, evidence) + settings.recordSlackMs;
  const met = evidence.outages.filter(({ process, killedAt, upAt = gatheredAt }) =>
    process === 'redis'
      ? killedAt <= until && upAt + settings.recordSlackMs >= since
      : process.startsWith('dispatcher') && killedAt >= since && killedAt <= until,
  );
  if (met.some(({ process }) => process !== 'redis')) return 'dispatcher killed';
  if (met.length > 0) return 'redis killed';
  if (brokenOffAt(jobIdOf(call), evidence).some((at) => at >= since && at <= until)) return 'lock lost';
  const tries = evidence.deliveries.get(jobIdOf(call))?.attempts ?? [];
  return tries.some((attempt) => isAnsweredTooLate(call, attempt, evidence)) ? 'answered too late' : undefined;
}

/** How a dispatcher says that it has lost the lock of a webhook: while it tries, and when it wants to end its try. */
const LOCK_LOST = ['its lock was lost', 'could not renew lock', 'Missing lock for job', 'Lock mismatch for job'];

/** When dispatchers said that they lost the lock of this job's webhook: on a busy machine they renew locks too late. */
function brokenOffAt(jobId: string, { processes }: Evidence): number[] {
  return processes
    .flatMap(({ log }) => log.split('\n'))
    .filter((line) => LOCK_LOST.some((words) => line.includes(words)) && line.includes(jobId))
    .map((line) => Date.parse(/"timestamp":"([^"]+)"/.exec(line)?.[1] ?? ''));
}
