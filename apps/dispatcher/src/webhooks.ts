import type { ApiKeys } from '@comfy-fleet/config';
import type { DueDelivery, TryResult } from '@comfy-fleet/jobs';
import { type Metrics, WEBHOOK_BUCKETS, WEBHOOK_LAG_BUCKETS } from '@comfy-fleet/telemetry';

/**
 * Returns the secrets that sign a key's webhooks if its job names none; without any they are not signed. With API keys, only
 * the key's own secrets sign: a shared secret would let each key send signed webhooks to another key's receiver. A revoked
 * key has no secrets.
 */
export function secretsBy(
  keys: Pick<ApiKeys, 'byId'> | undefined,
  withoutKeys: readonly string[],
): (key: string) => readonly string[] {
  if (keys === undefined) return () => withoutKeys;
  return (key) => keys.byId(key)?.webhook?.secrets ?? [];
}

const OUTCOMES = ['delivered', 'not_taken', 'given_up'] as const;

/** Metrics of this dispatcher's delivery attempts. Call the returned function after each attempt. */
export function measureWebhooks(metrics: Metrics): (due: DueDelivery, result: TryResult) => void {
  const attempts = metrics.counter({
    name: 'webhook_attempts_total',
    help:
      'Delivery attempts of this dispatcher: delivered (answered with 2xx), not_taken (another attempt follows), ' +
      'given_up (it was the last).',
    labels: ['outcome'],
  });
  const seconds = metrics.histogram({
    name: 'webhook_seconds',
    help: 'Duration of delivery attempts of this dispatcher, whatever their outcome.',
    buckets: WEBHOOK_BUCKETS,
  });
  const lag = metrics.histogram({
    name: 'webhook_lag_seconds',
    help: "Time from a job's end to the receiver's 2xx answer to its webhook; requested redeliveries do not count.",
    buckets: WEBHOOK_LAG_BUCKETS,
  });
  // Prometheus can compute a rate only if it has seen the counter at zero.
  for (const outcome of OUTCOMES) attempts.inc({ outcome }, 0);
  return ({ snapshot, again }, { attempt, retryInMs }) => {
    const outcome = attempt.delivered ? 'delivered' : retryInMs === undefined ? 'given_up' : 'not_taken';
    attempts.inc({ outcome });
    seconds.observe(attempt.duration_ms / 1000);
    const { finishedAt } = snapshot.record;
    // The clocks of Redis and this host may differ slightly.
    if (attempt.delivered && !again && finishedAt !== null) lag.observe(Math.max(0, Date.now() - finishedAt) / 1000);
  };
}
