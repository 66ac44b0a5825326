import type { Job } from '@comfy-fleet/client';
import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { useFleet } from '../session/session.js';
import { isOpen } from './words.js';

const KEY = ['jobs', 'recent'] as const;
const SHOWN = 24;
/** While something is under way, for places and estimates; what runs tells of itself besides. */
const OPEN_MS = 2_000;
const IDLE_MS = 15_000;

/** The newest jobs of the key, whoever made them. */
export function useRecent() {
  const fleet = useFleet();
  return useQuery({
    queryKey: KEY,
    queryFn: async ({ signal }) =>
      (await fleet.jobs.page({ limit: SHOWN }, { signal })).jobs.map(({ snapshot }) => snapshot),
    refetchInterval: ({ state }) => (state.data?.some(isOpen) ? OPEN_MS : IDLE_MS),
  });
}

/** Shows a job as it is now, before the list is read again. */
export function useKeepJob(): (job: Job) => void {
  const queries = useQueryClient();
  return useCallback((job: Job) => keepJob(queries, job), [queries]);
}

function keepJob(queries: QueryClient, job: Job): void {
  queries.setQueryData(['job', job.id], job);
  queries.setQueryData<readonly Job[]>(KEY, (jobs = []) => {
    const isKnown = jobs.some(({ id }) => id === job.id);
    return isKnown ? jobs.map((one) => (one.id === job.id ? job : one)) : [job, ...jobs].slice(0, SHOWN);
  });
}
