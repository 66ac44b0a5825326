import type { Job } from '@comfy-fleet/client';
import { Link } from 'wouter';
import { LOD_NAMES } from '../jobs/words.js';
import { useFleet } from '../session/session.js';
import type { FamilyOfJob } from './use-family.js';

interface FamilyProps {
  readonly job: Job;
  readonly family: FamilyOfJob;
  readonly onCompare: (with_: Job) => void;
}

/** The pictures that this one came from, and those that came from it. */
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
