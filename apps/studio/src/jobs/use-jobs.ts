import type { Job, JobFilter, JobProgress } from '@comfy-fleet/client';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useState } from 'react';
import { useFleet } from '../session.js';
import { keepJob, RECENT, SHOWN } from './recent-jobs.js';
import { isOpen } from './words.js';

const PAGE = 48;

/** Jobs of the key, newest first, page by page. */
export function useJobs(filter: JobFilter) {
  const fleet = useFleet();
  const query = useInfiniteQuery({
    queryKey: ['jobs', 'all', filter],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const { jobs, next } = await fleet.jobs.page({ ...filter, limit: PAGE, cursor: pageParam }, { signal });
      return { jobs: jobs.map(({ snapshot }) => snapshot), next };
    },
    getNextPageParam: ({ next }) => next,
  });
  return { ...query, jobs: query.data?.pages.flatMap((page) => page.jobs) ?? [] };
}

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

export interface Live {
  readonly progress: JobProgress | undefined;
  /** The unfinished picture, as a data: URL. */
  readonly preview: string | undefined;
}

const NOTHING: Live = { progress: undefined, preview: undefined };

/** What a job tells of itself while it is followed. */
export function useLive(job: Job, isFollowed: boolean): Live {
  const fleet = useFleet();
  const keep = useKeepJob();
  const [live, setLive] = useState(NOTHING);
  const { id } = job;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a newer snapshot of the same job is no reason to begin anew
  useEffect(() => {
    if (!isFollowed) return;
    const leaving = new AbortController();
    const follow = async () => {
      for await (const { type, data } of fleet.jobs.from(job).events({ signal: leaving.signal })) {
        if (type === 'status') keep(data);
        else if (type === 'progress') setLive((before) => ({ ...before, progress: data }));
        else if (type === 'preview') {
          const preview = `data:${data.content_type};base64,${data.data}`;
          setLive((before) => ({ ...before, preview }));
        }
      }
    };
    follow().catch(() => {}); // the list goes on telling of it
    return () => leaving.abort();
  }, [id, isFollowed, fleet, keep]);
  return live;
}
