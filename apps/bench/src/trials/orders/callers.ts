import { hashApiKey } from '@comfy-fleet/config';
import type { ApiKeysFile } from '@comfy-fleet/contracts';
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

/** No run is to come to the end of what a key may do otherwise. */
const NO_LIMIT = 1_000_000_000;
/** Fewer than the workers take, so that some are held back. */
const FEW = 5;

export function makeCallers(random: Random): readonly [Caller, Caller] {
  const caller = (id: string, secrets: number, jobsRunning: number) => ({
    id,
    key: `cf_${text(random, 'base64url')}`,
    secrets: Array.from({ length: secrets }, () => makeSecret(random)),
    jobsRunning,
  });
  return [caller('steady', 1, NO_LIMIT), caller('rotating', 2, FEW)];
}

/** In the form of Standard Webhooks. */
export function makeSecret(random: Random): string {
  return `whsec_${text(random, 'base64')}`;
}

/** What API_KEYS_FILE is to hold. */
export function keysFile(callers: readonly Caller[]): ApiKeysFile {
  return {
    keys: callers.map(({ id, key, secrets, jobsRunning }) => ({
      id,
      sha256: hashApiKey(key),
      scopes: ['jobs'],
      limits: {
        requests_per_minute: NO_LIMIT,
        jobs_waiting: NO_LIMIT,
        jobs_running: jobsRunning,
        upload_bytes_per_day: NO_LIMIT * 1000,
      },
      webhook: { secrets: [...secrets] },
    })),
  };
}

function text(random: Random, encoding: 'base64' | 'base64url'): string {
  return Buffer.from(Array.from({ length: 32 }, () => random.int(0, 255))).toString(encoding);
}
