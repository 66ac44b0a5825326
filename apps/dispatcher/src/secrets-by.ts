import type { ApiKeys } from '@comfy-fleet/config';

/**
 * What signs the webhooks of an API key that gave none with its job: its own secrets, else everybody's. Empty: they go
 * unsigned.
 */
export function secretsBy(
  keys: Pick<ApiKeys, 'byId'> | undefined,
  everybodys: readonly string[],
): (key: string) => readonly string[] {
  return (key) => keys?.byId(key)?.webhook?.secrets ?? everybodys;
}
