import type { JobRecord } from '@comfy-fleet/jobs';

/** What the caller calls the job: the `prompt_id` it chose, else the one that it was given. */
export function promptIdOf({ alias, id }: Pick<JobRecord, 'alias' | 'id'>): string {
  return alias ?? id;
}
