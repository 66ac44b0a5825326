import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useParams, useSearchParams } from 'wouter';
import { Fault } from '../parts/fault.js';
import { useTitle } from '../parts/use-title.js';
import { useFleet } from '../session/session.js';
import { FilterBar } from './filter-bar.js';
import { type Filters, filterOf, readFilters } from './filters.js';
import { GalleryTile } from './gallery-tile.js';
import { JobPage } from './job-page.js';

const PAGE = 48;

/** All jobs of the key, or one of them. */
export function GalleryPage() {
  const { id } = useParams<{ readonly id?: string }>();
  return id === undefined ? <AllJobs /> : <JobPage key={id} id={id} />;
}

function AllJobs() {
  useTitle('Gallery');
  const [search, setSearch] = useSearchParams();
  const filters = readFilters(search);
  const change = (next: Filters) =>
    setSearch(Object.fromEntries(Object.entries(next).filter(([, value]) => value !== '')), { replace: true });
  return (
    <div className="gallery">
      <h1>Gallery</h1>
      <FilterBar filters={filters} onChange={change} />
      <Tiles filters={filters} />
    </div>
  );
}

function Tiles({ filters }: { readonly filters: Filters }) {
  const fleet = useFleet();
  const { data, error, hasNextPage, isFetching, fetchNextPage } = useInfiniteQuery({
    queryKey: ['jobs', 'all', filters],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const { jobs, next } = await fleet.jobs.page(
        { ...filterOf(filters), limit: PAGE, cursor: pageParam },
        { signal },
      );
      return { jobs: jobs.map(({ snapshot }) => snapshot), next };
    },
    getNextPageParam: ({ next }) => next,
  });
  const end = useRef<HTMLDivElement>(null);
  // Whoever comes near the end is shown more; with a filter a page may be empty, and then the next one is asked for.
  useEffect(() => {
    if (end.current === null || !hasNextPage || isFetching) return;
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && void fetchNextPage(), {
      rootMargin: '600px',
    });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const jobs = data?.pages.flatMap((page) => page.jobs) ?? [];
  return (
    <>
      {error !== null && <Fault error={error} />}
      <ul className="tiles" aria-busy={isFetching}>
        {jobs.map((job) => (
          <GalleryTile key={job.id} job={job} />
        ))}
      </ul>
      {jobs.length === 0 && !isFetching && error === null && <p className="empty">There are no such jobs.</p>}
      <div ref={end} className="tiles-end">
        {hasNextPage && (
          <button type="button" disabled={isFetching} onClick={() => fetchNextPage()}>
            More
          </button>
        )}
      </div>
    </>
  );
}
