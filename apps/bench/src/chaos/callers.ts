import { hashApiKey } from '@comfy-fleet/config';
import type { ApiKeysFile } from '@comfy-fleet/contracts';
import type { Random } from './random.js';

/** Somebody who has an API key. */
export interface Caller {
  readonly id: string;
  /** What the requests carry. */
  readonly key: string;
  /** What signs the webhooks of its jobs; two while they rotate. */
  readonly secrets: readonly string[];
}

/** No run is to come to the end of what a key may do. */
const NO_LIMIT = 1_000_000_000;

export function makeCallers(random: Random): readonly [Caller, Caller] {
  const caller = (id: string, secrets: number) => ({
    id,
    key: `cf_${text(random, 'base64url')}`,
    secrets: Array.from({ length: secrets }, () => makeSecret(random)),
  });
  return [caller('steady', 1), caller('rotating', 2)];
}

/** In the form of Standard Webhooks. */
export function makeSecret(random: Random): string {
  return `whsec_${text(random, 'base64')}`;
}

/** What API_KEYS_FILE is to hold. */
export function keysFile(callers: readonly Caller[]): ApiKeysFile {
  return {
    keys: callers.map(({ id, key, secrets }) => ({
      id,
      sha256: hashApiKey(key),
      scopes: ['jobs'],
      limits: {
        requests_per_minute: NO_LIMIT,
        jobs_waiting: NO_LIMIT,
        jobs_running: NO_LIMIT,
        upload_bytes_per_day: NO_LIMIT * 1000,
      },
      webhook: { secrets: [...secrets] },
    })),
  };
}

function text(random: Random, encoding: 'base64' | 'base64url'): string {
  return Buffer.from(Array.from({ length: 32 }, () => random.int(0, 255))).toString(encoding);
}
