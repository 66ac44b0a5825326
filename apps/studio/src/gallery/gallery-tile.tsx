import type { Job } from '@comfy-fleet/client';
import { Link } from 'wouter';
import { LOD_NAMES, titleOf } from '../jobs/words.js';
import { useFleet } from '../session/session.js';

const TILE_WIDTH = 384;

/** A job in the gallery; what is no picture is named. */
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
