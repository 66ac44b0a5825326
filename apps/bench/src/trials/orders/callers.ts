import type { ApiKeysFile } from '@comfy-fleet/contracts';
import { apiKeyOf, keyEntry, NO_LIMIT } from '../../lib/api-keys.js';
import type { Random } from '../../lib/random.js';

/** Somebody who has an API key. */
export interface Caller {
  readonly id: string;
  /** What the requests carry. */
  readonly key: string;
  /** What signs the webhooks of its jobs; two while they rotate. */
  readonly secrets: readonly string[];
  /** Most of its jobs in workers' hands. */
  readonly jobsRunning: number;
}

/** Fewer than the workers take, so that some are held back. */
const FEW = 5;

export function makeCallers(random: Random): readonly [Caller, Caller] {
  const caller = (id: string, secrets: number, jobsRunning: number) => ({
    id,
    key: apiKeyOf(bytes(random)),
    secrets: Array.from({ length: secrets }, () => makeSecret(random)),
    jobsRunning,
  });
  return [caller('steady', 1, NO_LIMIT), caller('rotating', 2, FEW)];
}

/** In the form of Standard Webhooks. */
export function makeSecret(random: Random): string {
  return `whsec_${bytes(random).toString('base64')}`;
}

/** What API_KEYS_FILE is to hold. */
export function keysFile(callers: readonly Caller[]): ApiKeysFile {
  return { keys: callers.map((caller) => keyEntry({ ...caller, scopes: ['jobs'] })) };
}

function bytes(random: Random): Buffer {
  return Buffer.from(Array.from({ length: 32 }, () => random.int(0, 255)));
}
