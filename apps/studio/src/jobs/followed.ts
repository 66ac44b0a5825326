import type { Job } from '@comfy-fleet/client';

/** Browsers open six connections to a server that speaks HTTP/1.1, and some are needed for all else. */
const MOST_FOLLOWED = 3;

/** The jobs to follow one by one: what runs first, then what was made first. */
export function followedOf(jobs: readonly Job[]): ReadonlySet<string> {
  const open = jobs.filter(({ status }) => status === 'running' || status === 'queued');
  const order = (job: Job) => (job.status === 'running' ? 0 : 1);
  const sorted = open.toSorted((a, b) => order(a) - order(b) || a.created_at.localeCompare(b.created_at));
  return new Set(sorted.slice(0, MOST_FOLLOWED).map(({ id }) => id));
}
