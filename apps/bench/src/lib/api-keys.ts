import { hashApiKey } from '@comfy-fleet/config';
import type { ApiKeysFile } from '@comfy-fleet/contracts';

type Entry = ApiKeysFile['keys'][number];

/** No run is to come to the end of what a key may do otherwise. */
export const NO_LIMIT = 1_000_000_000;

export interface ApiKey {
  readonly id: string;
  /** What the requests carry. */
  readonly key: string;
  readonly scopes: Entry['scopes'];
  /** Most of its jobs in workers' hands; default: as many as there are. */
  readonly jobsRunning?: number;
  /** What signs the webhooks of its jobs. */
  readonly secrets?: readonly string[];
}

/** In the form of an API key; `random`: 32 bytes. */
export function apiKeyOf(random: Buffer): string {
  return `cf_${random.toString('base64url')}`;
}

/** What API_KEYS_FILE is to hold so that the key is let in, counted, and never refused for how much it asks. */
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
