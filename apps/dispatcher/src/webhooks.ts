import type { ApiKeys } from '@comfy-fleet/config';
import type { DueDelivery, TryResult } from '@comfy-fleet/jobs';
import { type Metrics, WEBHOOK_BUCKETS, WEBHOOK_LAG_BUCKETS } from '@comfy-fleet/telemetry';

/**
 * What signs the webhooks of an API key that gave no secret with its job. Empty: they go unsigned. Where there are keys,
 * only their own secrets do: one that all keys share would let each of them have a job of its own signed for another's
 * receiver. A key that was revoked has none any more.
 */
export function secretsBy(
  keys: Pick<ApiKeys, 'byId'> | undefined,
  withoutKeys: readonly string[],
): (key: string) => readonly string[] {
  if (keys === undefined) return () => withoutKeys;
  return (key) => keys.byId(key)?.webhook?.secrets ?? [];
}

const OUTCOMES = ['delivered', 'not_taken', 'given_up'] as const;

/** Counts and measures the tries of this dispatcher; answers what is to be noted of each, at its end. */
export function measureWebhooks(metrics: Metrics): (due: DueDelivery, result: TryResult) => void {
  const attempts = metrics.counter({
    name: 'webhook_attempts_total',
    help:
      'Tries of this dispatcher to deliver a webhook: delivered (answered 2xx), not_taken (another try follows), ' +
      'given_up (it was the last).',
    labels: ['outcome'],
  });
  const seconds = metrics.histogram({
    name: 'webhook_seconds',
    help: 'How long one try of this dispatcher took, whatever came of it.',
    buckets: WEBHOOK_BUCKETS,
  });
  const lag = metrics.histogram({
    name: 'webhook_lag_seconds',
    help: "From a job's end to the 2xx of its webhook's receiver; redeliveries that a caller asked for do not count.",
    buckets: WEBHOOK_LAG_BUCKETS,
  });
  // A rate needs the zero from which it rose.
  for (const outcome of OUTCOMES) attempts.inc({ outcome }, 0);
  return ({ snapshot, again }, { attempt, retryInMs }) => {
    const outcome = attempt.delivered ? 'delivered' : retryInMs === undefined ? 'given_up' : 'not_taken';
    attempts.inc({ outcome });
    seconds.observe(attempt.duration_ms / 1000);
    const { finishedAt } = snapshot.record;
    // The clocks of Redis and of this host may differ by some ms.
    if (attempt.delivered && !again && finishedAt !== null) lag.observe(Math.max(0, Date.now() - finishedAt) / 1000);
  };
}
