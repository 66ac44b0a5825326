import type { Job } from '@comfy-fleet/client';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { useFleet } from '../session/session.js';
import { keepJob, RECENT, SHOWN } from './keep-job.js';
import { isOpen } from './words.js';

/** While something is under way, for places and estimates; what runs tells of itself besides. */
const OPEN_MS = 2_000;
const IDLE_MS = 15_000;

/** The newest jobs of the key, whoever made them. */
export function useRecent() {
  const fleet = useFleet();
  return useQuery({
    queryKey: RECENT,
    queryFn: async ({ signal }) =>
      (await fleet.jobs.page({ limit: SHOWN }, { signal })).jobs.map(({ snapshot }) => snapshot),
    refetchInterval: ({ state }) => (state.data?.some(isOpen) ? OPEN_MS : IDLE_MS),
  });
}

/** `keepJob` on this page. */
export function useKeepJob(): (job: Job) => void {
  const queries = useQueryClient();
  return useCallback((job: Job) => keepJob(queries, job), [queries]);
}
