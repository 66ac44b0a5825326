import { useParams, useSearchParams } from 'wouter';
import { useJobs } from '../jobs/use-jobs.js';
import { Fault } from '../parts/fault.js';
import { ListEnd } from '../parts/list-end.js';
import { useTitle } from '../parts/use-title.js';
import { FilterBar } from './filter-bar.js';
import { type Filters, filterOf, readFilters } from './filters.js';
import { GalleryTile } from './gallery-tile.js';
import { JobPage } from './job-page.js';

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
  const query = useJobs(filterOf(filters));
  const { jobs, error, isFetching } = query;
  return (
    <>
      {error !== null && <Fault error={error} />}
      <ul className="tiles" aria-busy={isFetching}>
        {jobs.map((job) => (
          <GalleryTile key={job.id} job={job} />
        ))}
      </ul>
      {jobs.length === 0 && !isFetching && error === null && <p className="empty">No jobs found.</p>}
      <ListEnd pages={query} />
    </>
  );
}
