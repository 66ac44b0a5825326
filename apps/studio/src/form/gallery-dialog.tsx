import type { Job, Output } from '@comfy-fleet/client';
import { useJobs } from '../jobs/use-jobs.js';
import { titleOf } from '../jobs/words.js';
import { Dialog } from '../parts/dialogs.js';
import { Fault } from '../parts/fault.js';
import { ListEnd } from '../parts/list-end.js';
import { useFleet } from '../session.js';
import { type FileValue, fileOfJob } from './fields.js';

const SHOWN_WIDTH = 256;
const MADE = { status: 'succeeded' } as const;

interface GalleryDialogProps {
  readonly onChoose: (value: FileValue) => void;
  readonly onClose: () => void;
}

/** Lists earlier pictures, newest first, to choose one as an input. */
export function GalleryDialog({ onChoose, onClose }: GalleryDialogProps) {
  const fleet = useFleet();
  const query = useJobs(MADE);
  const { jobs, error, isFetching } = query;
  const pictures = jobs.flatMap((job) =>
    fleet.jobs
      .from(job)
      .outputs.map((output, index) => ({ job, output, index }))
      .filter(({ output }) => output.kind === 'image'),
  );
  return (
    <Dialog title="Choose a picture" onClose={onClose}>
      {error !== null && <Fault error={error} />}
      {pictures.length === 0 && !isFetching && error === null && <p className="empty">There are no pictures yet.</p>}
      <ul className="choices" aria-busy={isFetching}>
        {pictures.map(({ job, output, index }) => (
          <li key={`${job.id}/${index}`}>
            <button type="button" className="choice" onClick={() => onChoose(fileOfJob(job, output, index))}>
              <Choice job={job} output={output} />
            </button>
          </li>
        ))}
      </ul>
      <ListEnd pages={query} />
    </Dialog>
  );
}

function Choice({ job, output }: { readonly job: Job; readonly output: Output }) {
  const src = output.link({ width: SHOWN_WIDTH, format: 'webp' });
  return <img src={src} alt={titleOf(job)} loading="lazy" decoding="async" />;
}
