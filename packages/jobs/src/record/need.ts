import { createHash } from 'node:crypto';
import type { ResolvedRequest } from '@comfy-fleet/contracts';

/** Characters of a digest: two of some thousand needs are the same once in 10^11 fleets. */
const LENGTH = 10;

/** What decides which instances can run a job and what they have to load for it: jobs with the same need are alike in that. */
export function needOf({ workflow, checkpoint, sampler, scheduler }: ResolvedRequest): string {
  const parts = JSON.stringify([workflow, checkpoint, sampler, scheduler]);
  return createHash('sha1').update(parts).digest('base64url').slice(0, LENGTH);
}
