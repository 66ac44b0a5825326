import type { JobRecord } from '@comfy-fleet/jobs';

/** By which ComfyUI's API knows a job: the caller's own id for its prompt, else the job's. */
export function promptIdOf({ alias, id }: Pick<JobRecord, 'alias' | 'id'>): string {
  return alias ?? id;
}
