import type { Job, WebhookAttempt } from '@comfy-fleet/contracts';
import type { PlannedJob } from '../orders/plan-orders.js';
import type { Call, Evidence } from './evidence.js';

const GONE = 410;

/** The calls of each job's webhook, in the order of arrival. A call belongs to the job of its `webhook-id`. */
export function callsByJob({ calls }: Pick<Evidence, 'calls'>): ReadonlyMap<string, readonly Call[]> {
  const byJob = new Map<string, Call[]>();
  for (const call of calls) {
    const jobId = jobIdOf(call);
    byJob.set(jobId, [...(byJob.get(jobId) ?? []), call]);
  }
  return byJob;
}

/** The job to which the call's `webhook-id` belongs. */
export function jobIdOf({ webhookId }: Pick<Call, 'webhookId'>): string {
  return webhookId.replace(/^msg_/, '');
}

/** The order that created this job. */
export function orderOf({ metadata }: Job, { orders }: Pick<Evidence, 'orders'>): PlannedJob | undefined {
  return orders.find(({ tag }) => tag === metadata.chaos);
}

/** Whether the order asks to be notified of this end of the job. */
export function isToBeNotified({ status }: Job, order: PlannedJob | undefined): boolean {
  const events: readonly string[] | undefined = order?.callback.events;
  return events?.includes(`job.${status}`) ?? true;
}

export function statusOf({ answer }: Call): number | null {
  return typeof answer === 'string' ? null : answer.status;
}

export function isAccepted(call: Call): boolean {
  const status = statusOf(call) ?? 0;
  return status >= 200 && status <= 299;
}

/** The receiver asked not to be called again. */
export function isGone(call: Call): boolean {
  return statusOf(call) === GONE;
}

export function isFinal(call: Call): boolean {
  return isAccepted(call) || isGone(call);
}

/** When the dispatcher had the answer, or gave up waiting for it. */
export function answeredAt({ at, answer, answeredAt }: Call, { settings }: Pick<Evidence, 'settings'>): number {
  if (answer === 'hang') return at + settings.webhookTimeoutMs;
  return answeredAt ?? (answer === 'reset' ? at : at + (answer.delayMs ?? 0));
}

export type LossCause = 'dispatcher killed' | 'redis killed' | 'lock lost' | 'answered too late';

/**
 * Whether a logged attempt without an answer belongs to this call: on a busy machine the receiver may answer after the
 * dispatcher has given up.
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

/** Why a dispatcher may have failed to record the result of a call; undefined without a reason. */
export function lossCause(call: Call, evidence: Evidence): LossCause | undefined {
  const { settings, gatheredAt } = evidence;
  // The call was signed in this second, but may have waited in the receiver's socket.
  const since = call.timestampSeconds * 1000;
  const until = answeredAt(call, evidence) + settings.recordSlackMs;
  const met = evidence.outages.filter(({ process, killedAt, upAt = gatheredAt }) =>
    process === 'redis'
      ? killedAt <= until && upAt + settings.recordSlackMs >= since
      : process.startsWith('dispatcher') && killedAt >= since && killedAt <= until,
  );
  if (met.some(({ process }) => process !== 'redis')) return 'dispatcher killed';
  if (met.length > 0) return 'redis killed';
  if (lockLostAt(jobIdOf(call), evidence).some((at) => at >= since && at <= until)) return 'lock lost';
  const tries = evidence.deliveries.get(jobIdOf(call))?.attempts ?? [];
  return tries.some((attempt) => isAnsweredTooLate(call, attempt, evidence)) ? 'answered too late' : undefined;
}

/** Log messages about a lost lock of a webhook, during an attempt or at its end. */
const LOCK_LOST = ['its lock was lost', 'could not renew lock', 'Missing lock for job', 'Lock mismatch for job'];

/** When dispatchers logged that they lost the lock of this job's webhook, which happens on a busy machine. */
function lockLostAt(jobId: string, { processes }: Evidence): number[] {
  return processes
    .flatMap(({ log }) => log.split('\n'))
    .filter((line) => LOCK_LOST.some((words) => line.includes(words)) && line.includes(jobId))
    .map((line) => Date.parse(/"timestamp":"([^"]+)"/.exec(line)?.[1] ?? ''));
}
