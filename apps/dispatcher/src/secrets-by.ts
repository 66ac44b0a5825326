import type { ApiKeys } from '@comfy-fleet/config';

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
