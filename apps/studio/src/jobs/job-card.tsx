import type { Job } from '@comfy-fleet/client';
import { useState } from 'react';
import { Link } from 'wouter';
import { OutputView } from '../parts/output-view.js';
import { useFleet } from '../session.js';
import { JobActions } from './job-actions.js';
import { type Live, useLive } from './use-jobs.js';
import { adviceOf, isOpen, LOD_NAMES, stateOf, titleOf } from './words.js';

const CARD_WIDTH = 512;

/** A job in the grid: its queue position, its progress, then its output. */
export function JobCard({ job, isFollowed }: { readonly job: Job; readonly isFollowed: boolean }) {
  const live = useLive(job, isFollowed);
  const title = titleOf(job);
  return (
    <article className="card job" aria-label={title} data-status={job.status} data-job={job.id}>
      <div className="job-picture">
        {isOpen(job) ? <UnderWay job={job} live={live} /> : <Ended job={job} preview={live.preview} />}
      </div>
      <div className="job-text">
        <Link className="job-title" href={`/gallery/${job.id}`}>
          {title}
        </Link>
        <p className="hint">
          {job.lod ? LOD_NAMES[job.lod] : 'As saved'} · {job.request.workflow}
          {job.seed === null ? '' : ` · seed ${job.seed}`}
        </p>
      </div>
      <JobActions job={job} />
    </article>
  );
}

function UnderWay({ job, live }: { readonly job: Job; readonly live: Live }) {
  const progress = job.status === 'queued' ? undefined : (live.progress ?? job.progress);
  const steps = progress?.steps ? `, step ${progress.step ?? 0} of ${progress.steps}` : '';
  const text = progress?.node ? `${progress.node}${steps}` : stateOf(job);
  return (
    <div className="under-way">
      {live.preview !== undefined && <img className="preview" src={live.preview} alt="Unfinished" />}
      <div className="under-way-text">
        <p>{text}</p>
        <progress aria-label="Progress" max={1} value={progress?.fraction ?? 0} />
      </div>
    </div>
  );
}

/** Shows the last `preview` until the picture itself is loaded. */
function Ended({ job, preview }: { readonly job: Job; readonly preview: string | undefined }) {
  const fleet = useFleet();
  const [isShown, setShown] = useState(false);
  const { outputs } = fleet.jobs.from(job);
  if (job.status === 'succeeded') {
    const [first] = outputs;
    if (first === undefined) return <p className="under-way-text">This job made no files, or they were deleted.</p>;
    return (
      <>
        <OutputView output={first} alt={titleOf(job)} width={CARD_WIDTH} onShown={() => setShown(true)} />
        {first.kind === 'image' && preview !== undefined && !isShown && (
          <img className="preview" src={preview} alt="" />
        )}
        {outputs.length > 1 && <span className="count">{outputs.length} files</span>}
      </>
    );
  }
  return <JobFault job={job} />;
}

/** Why a job did not succeed, and what to do. */
export function JobFault({ job: { status, error } }: { readonly job: Job }) {
  if (error === null) {
    return <p className="under-way-text">{status === 'canceled' ? 'Canceled' : 'It did not start in time.'}</p>;
  }
  return (
    <div className="job-fault">
      <p className="fault">{error.title}</p>
      <p>{error.detail}</p>
      <p>{adviceOf(error)}</p>
    </div>
  );
}
