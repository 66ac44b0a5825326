import type { Job } from '@comfy-fleet/client';
import type { QueryClient } from '@tanstack/react-query';

/** The newest jobs of the key, as many as are shown. */
export const RECENT = ['jobs', 'recent'] as const;
export const SHOWN = 24;

/** Shows a job as it is now, before it and the list are read again. */
export function keepJob(queries: QueryClient, job: Job): void {
  const one = ['job', job.id];
  queries.setQueryData(one, job);
  queries.setQueryData<readonly Job[]>(RECENT, (jobs = []) => {
    const isKnown = jobs.some(({ id }) => id === job.id);
    return isKnown ? jobs.map((known) => (known.id === job.id ? job : known)) : [job, ...jobs].slice(0, SHOWN);
  });
  // What is asked for already may be answered as it was before; no record tells, since a job can be queued again.
  for (const queryKey of [one, RECENT]) void queries.refetchQueries({ queryKey, fetchStatus: 'fetching' });
}

/** Browsers open six connections to a server that speaks HTTP/1.1, and some are needed for all else. */
const MOST_FOLLOWED = 3;

/** The jobs to follow one by one: what runs first, then what was made first. */
export function followedOf(jobs: readonly Job[]): ReadonlySet<string> {
  const open = jobs.filter(({ status }) => status === 'running' || status === 'queued');
  const order = (job: Job) => (job.status === 'running' ? 0 : 1);
  const sorted = open.toSorted((a, b) => order(a) - order(b) || a.created_at.localeCompare(b.created_at));
  return new Set(sorted.slice(0, MOST_FOLLOWED).map(({ id }) => id));
}
