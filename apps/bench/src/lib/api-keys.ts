import { hashApiKey } from '@comfy-fleet/config';
import type { ApiKeysFile } from '@comfy-fleet/contracts';

type Entry = ApiKeysFile['keys'][number];

/** A limit that no run reaches. */
export const NO_LIMIT = 1_000_000_000;

export interface ApiKey {
  readonly id: string;
  /** The secret that requests send. */
  readonly key: string;
  readonly scopes: Entry['scopes'];
  /** How many of its jobs may be claimed at a time; default: no limit. */
  readonly jobsRunning?: number;
  /** The secrets that sign the webhooks of its jobs. */
  readonly secrets?: readonly string[];
}

/** An API key made of 32 random bytes. */
export function apiKeyOf(random: Buffer): string {
  return `cf_${random.toString('base64url')}`;
}

/** The entry in API_KEYS_FILE for a key without effective limits. */
export function keyEntry({ id, key, scopes, jobsRunning = NO_LIMIT, secrets }: ApiKey): Entry {
  return {
    id,
    sha256: hashApiKey(key),
    scopes,
    limits: {
      requests_per_minute: NO_LIMIT,
      jobs_waiting: NO_LIMIT,
      jobs_running: jobsRunning,
      upload_bytes_per_day: NO_LIMIT * 1000,
    },
    ...(secrets && { webhook: { secrets: [...secrets] } }),
  };
}
