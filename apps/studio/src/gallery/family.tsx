import { FleetError, type Job } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { useJobs } from '../jobs/use-jobs.js';
import { LOD_NAMES } from '../jobs/words.js';
import { useFleet } from '../session.js';

interface FamilyProps {
  readonly job: Job;
  readonly family: FamilyOfJob;
  readonly onCompare: (with_: Job) => void;
}

/** The pictures that this one was made from, and those made from it. */
export function Family({ job, family: { above, below, more }, onCompare }: FamilyProps) {
  if (above.length === 0 && below.length === 0) return null;
  const member = (one: Job, depth: number) => (
    <li key={one.id} className="member" data-depth={Math.min(depth, 6)} aria-current={one.id === job.id || undefined}>
      <Thumbnail job={one} />
      {one.id === job.id ? <span>This one</span> : <Link href={`/gallery/${one.id}`}>{nameOf(one)}</Link>}
      <span className="hint">seed {one.seed ?? '–'}</span>
      {one.id !== job.id && hasPicture(one) && hasPicture(job) && (
        <button type="button" onClick={() => onCompare(one)}>
          Compare
        </button>
      )}
    </li>
  );
  return (
    <section aria-label="Family">
      <h2>Family</h2>
      <ul className="family">
        {above.map(member)}
        {member(job, above.length)}
        {below.map((one) => member(one, above.length + 1))}
      </ul>
      {more !== undefined && (
        <button type="button" onClick={more}>
          Show more
        </button>
      )}
    </section>
  );
}

function Thumbnail({ job }: { readonly job: Job }) {
  const first = useFleet()
    .jobs.from(job)
    .outputs.find(({ kind }) => kind === 'image');
  if (first === undefined) return <span className="member-picture" />;
  return <img className="member-picture" src={first.link({ width: 128, format: 'webp' })} alt="" loading="lazy" />;
}

function nameOf({ lod, parent, status }: Job): string {
  const level = lod === null ? 'As saved' : LOD_NAMES[lod];
  const how = parent === null ? '' : parent.relation === 'refine' ? ', refined' : ', made again';
  return `${level}${how}${status === 'succeeded' ? '' : ` (${status})`}`;
}

function hasPicture({ images }: Job): boolean {
  return images.length > 0;
}

/** The ancestors of a job, oldest first, and its children, newest first. */
export interface FamilyOfJob {
  readonly above: readonly Job[];
  readonly below: readonly Job[];
  /** Loads more children; undefined if there are no more. */
  readonly more: (() => void) | undefined;
}

/** Refining gives short chains, but repeated retries may give chains of any length. */
const MOST_ABOVE = 12;

export function useFamily(job: Job): FamilyOfJob {
  const fleet = useFleet();
  const { data: above = [] } = useQuery({
    queryKey: ['family', job.id],
    queryFn: async ({ signal }): Promise<readonly Job[]> => {
      const found: Job[] = [];
      for (let parent = job.parent; parent !== null && found.length < MOST_ABOVE; parent = found[0]?.parent ?? null) {
        const handle = await fleet.jobs.get(parent.id, { signal }).catch(gone);
        if (handle === undefined) break;
        found.unshift(handle.snapshot);
      }
      return found;
    },
  });
  const { jobs: below, hasNextPage, fetchNextPage } = useJobs({ parent: job.id });
  return { above, below, more: hasNextPage ? () => void fetchNextPage() : undefined };
}

/** Treats a deleted parent as the end of the chain; its children remain. */
function gone(error: unknown): undefined {
  if (error instanceof FleetError && error.status === 404) return undefined;
  throw error;
}
