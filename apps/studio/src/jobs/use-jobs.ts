import type { Job, JobFilter, JobProgress } from '@comfy-fleet/client';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useState } from 'react';
import { useFleet } from '../session.js';
import { RECENT, SHOWN, updateCachedJob } from './recent-jobs.js';
import { isOpen } from './words.js';

const PAGE = 48;

/** The key's jobs, newest first, page by page. */
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

/** Poll interval while jobs are open, for queue positions and estimates; running jobs also have event streams. */
const OPEN_MS = 2_000;
const IDLE_MS = 15_000;

/** The newest jobs of the key, wherever they were made. */
export function useRecent() {
  const fleet = useFleet();
  return useQuery({
    queryKey: RECENT,
    queryFn: async ({ signal }) =>
      (await fleet.jobs.page({ limit: SHOWN }, { signal })).jobs.map(({ snapshot }) => snapshot),
    refetchInterval: ({ state }) => (state.data?.some(isOpen) ? OPEN_MS : IDLE_MS),
  });
}

/** Returns `updateCachedJob` for this page's cache. */
export function useUpdateJob(): (job: Job) => void {
  const queries = useQueryClient();
  return useCallback((job: Job) => updateCachedJob(queries, job), [queries]);
}

export interface Live {
  readonly progress: JobProgress | undefined;
  /** The unfinished picture, as a data: URL. */
  readonly preview: string | undefined;
}

const NOTHING: Live = { progress: undefined, preview: undefined };

/** The progress and preview of a job from its event stream, while it is followed. */
export function useLive(job: Job, isFollowed: boolean): Live {
  const fleet = useFleet();
  const update = useUpdateJob();
  const [live, setLive] = useState(NOTHING);
  const { id } = job;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a newer snapshot of the same job must not restart the stream
  useEffect(() => {
    if (!isFollowed) return;
    const leaving = new AbortController();
    const follow = async () => {
      for await (const { type, data } of fleet.jobs.from(job).events({ signal: leaving.signal })) {
        if (type === 'status') update(data);
        else if (type === 'progress') setLive((before) => ({ ...before, progress: data }));
        else if (type === 'preview') {
          const preview = `data:${data.content_type};base64,${data.data}`;
          setLive((before) => ({ ...before, preview }));
        }
      }
    };
    follow().catch(() => {}); // polling the list continues
    return () => leaving.abort();
  }, [id, isFollowed, fleet, update]);
  return live;
}
