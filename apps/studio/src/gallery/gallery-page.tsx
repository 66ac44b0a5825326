import type { Job } from '@comfy-fleet/client';
import { useId } from 'react';
import { Link, useParams, useSearchParams } from 'wouter';
import { useJobs } from '../jobs/use-jobs.js';
import { LOD_NAMES, titleOf } from '../jobs/words.js';
import { useWorkflowNames } from '../make/workflow-choice.js';
import { Fault } from '../parts/fault.js';
import { useTitle } from '../parts/hooks.js';
import { ListEnd } from '../parts/list-end.js';
import { useFleet } from '../session.js';
import { type Filters, filterOf, metadataFault, readFilters } from './filters.js';
import { JobPage } from './job-page.js';

/** All jobs of the user's key, or one of them. */
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

const TILE_WIDTH = 384;

/** A job in the gallery. Outputs other than pictures are shown by their kind. */
export function GalleryTile({ job }: { readonly job: Job }) {
  const fleet = useFleet();
  const [first] = fleet.jobs.from(job).outputs;
  const title = titleOf(job);
  return (
    <li>
      <Link className="card tile" href={`/gallery/${job.id}`}>
        <span className="tile-picture">
          {first?.kind === 'image' ? (
            <img src={first.link({ width: TILE_WIDTH, format: 'webp' })} alt="" loading="lazy" decoding="async" />
          ) : (
            <span className="tile-kind">{first?.kind ?? job.status}</span>
          )}
        </span>
        <span className="tile-text">
          <span className="job-title">{title}</span>
          <span className="hint">
            {job.lod === null ? job.request.workflow : LOD_NAMES[job.lod]}
            {job.status === 'succeeded' ? '' : ` · ${job.status}`}
            {job.parent === null ? '' : ` · ${job.parent.relation === 'refine' ? 'refined' : 'again'}`}
          </span>
        </span>
      </Link>
    </li>
  );
}

const CHOICES = {
  status: ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'],
  lod: ['sketch', 'mid', 'final', 'direct_final'],
} as const;
const LABELS = { status: 'Status', workflow: 'Workflow', lod: 'Level of detail' } as const;

interface FilterBarProps {
  readonly filters: Filters;
  readonly onChange: (filters: Filters) => void;
}

/** The controls that filter the jobs. */
export function FilterBar({ filters, onChange }: FilterBarProps) {
  const change = (name: keyof Filters) => (event: { readonly target: { readonly value: string } }) =>
    onChange({ ...filters, [name]: event.target.value });
  const names = useWorkflowNames(filters.workflow);
  const fault = metadataFault(filters.metadata);
  const faultId = useId();
  // Jobs of POST /graphs have the workflow name `graph`.
  const choices = { status: CHOICES.status, workflow: [...names, 'graph'], lod: CHOICES.lod };
  return (
    <search aria-label="Filters">
      <div className="filters">
        {(Object.keys(LABELS) as (keyof typeof LABELS)[]).map((name) => (
          <label key={name} className="field">
            <span className="label">{LABELS[name]}</span>
            <select value={filters[name]} onChange={change(name)}>
              <option value="">any</option>
              {[...new Set(choices[name])].map((choice) => (
                <option key={choice}>{choice}</option>
              ))}
            </select>
          </label>
        ))}
        <label className="field">
          <span className="label">From</span>
          <input type="date" value={filters.from} onChange={change('from')} />
        </label>
        <label className="field">
          <span className="label">To</span>
          <input type="date" value={filters.to} onChange={change('to')} />
        </label>
        <label className="field">
          <span className="label">Metadata</span>
          <input
            placeholder="order=7"
            value={filters.metadata}
            aria-invalid={fault !== undefined}
            aria-describedby={fault === undefined ? undefined : faultId}
            onChange={change('metadata')}
          />
        </label>
      </div>
      {fault !== undefined && (
        <p className="fault" id={faultId} role="status">
          {fault}
        </p>
      )}
    </search>
  );
}
