import type { JobFilter } from '@comfy-fleet/client';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useFleet } from '../session/session.js';

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
