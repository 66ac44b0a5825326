import type { Job, JobHandle } from '@comfy-fleet/client';
import { useMutation } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { CopyMenu } from '../make/copy-menu.js';
import { useDraft } from '../make/draft.js';
import { requestOf } from '../make/request.js';
import { useFleet } from '../session.js';
import { useUpdateJob } from './use-jobs.js';
import { higherLods, isOpen, LOD_NAMES } from './words.js';

interface JobActionsProps {
  readonly job: Job;
  /** The index of the output that is shown, from 0. */
  readonly index?: number;
}

/** The buttons that act on a job. */
export function JobActions({ job, index = 0 }: JobActionsProps) {
  const fleet = useFleet();
  const update = useUpdateJob();
  const { startFrom } = useDraft();
  const [, go] = useLocation();
  const act = useMutation({
    mutationFn: async (action: (handle: JobHandle) => Promise<Job | JobHandle>) => {
      const done = await action(fleet.jobs.from(job));
      update('snapshot' in done ? done.snapshot : done);
    },
  });
  const button = (text: string, action: (handle: JobHandle) => Promise<Job | JobHandle>) => (
    <button key={text} type="button" disabled={act.isPending} onClick={() => act.mutate(action)}>
      {text}
    </button>
  );
  const output = fleet.jobs.from(job).outputs[index];
  const picture = job.outputs.slice(0, index).filter(({ kind }) => kind === 'image').length;
  return (
    <div className="job-actions">
      {isOpen(job) && job.status !== 'canceling' && button('Cancel', (handle) => handle.cancel())}
      {higherLods(job).map((lod) =>
        button(`Refine to ${LOD_NAMES[lod].toLowerCase()}`, (handle) => handle.refine({ lod, index: picture })),
      )}
      {!isOpen(job) && job.seed !== null && button('Vary', (handle) => handle.retry({ seed: 'random' }))}
      {!isOpen(job) && button('Again', (handle) => handle.retry())}
      {output?.kind === 'image' && (
        <button
          type="button"
          onClick={() => {
            startFrom(job, output, index);
            go('/make');
          }}
        >
          Use as input
        </button>
      )}
      {!isOpen(job) && <CopyMenu request={requestOf(job)} />}
      {act.error !== null && (
        <p className="fault" role="alert">
          {act.error.message}
        </p>
      )}
    </div>
  );
}
