import type { Job } from '@comfy-fleet/client';
import type { QueryClient } from '@tanstack/react-query';

/** The query key of the newest jobs, and how many are shown. */
export const RECENT = ['jobs', 'recent'] as const;
export const SHOWN = 24;

/** Updates a job in the cache, so that pages show it before the next poll. */
export function updateCachedJob(queries: QueryClient, job: Job): void {
  const one = ['job', job.id];
  queries.setQueryData(one, job);
  queries.setQueryData<readonly Job[]>(RECENT, (jobs = []) => {
    const isKnown = jobs.some(({ id }) => id === job.id);
    return isKnown ? jobs.map((known) => (known.id === job.id ? job : known)) : [job, ...jobs].slice(0, SHOWN);
  });
  // Requests already under way may return an older state, and nothing in a record shows which is newer: send them again.
  for (const queryKey of [one, RECENT]) void queries.refetchQueries({ queryKey, fetchStatus: 'fetching' });
}

/** Browsers open six connections to an HTTP/1.1 server, and other requests need some of them. */
const MOST_FOLLOWED = 3;

/** The jobs to follow by event streams: running ones first, then the oldest. */
export function jobsToFollow(jobs: readonly Job[]): ReadonlySet<string> {
  const open = jobs.filter(({ status }) => status === 'running' || status === 'queued');
  const order = (job: Job) => (job.status === 'running' ? 0 : 1);
  const sorted = open.toSorted((a, b) => order(a) - order(b) || a.created_at.localeCompare(b.created_at));
  return new Set(sorted.slice(0, MOST_FOLLOWED).map(({ id }) => id));
}
