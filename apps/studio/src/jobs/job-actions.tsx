import type { Job, JobHandle } from '@comfy-fleet/client';
import { useMutation } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { CopyMenu } from '../make/copy-menu.js';
import { useDraft } from '../make/draft.js';
import { orderOf } from '../make/order.js';
import { useFleet } from '../session.js';
import { useKeepJob } from './use-jobs.js';
import { isOpen, LOD_NAMES, rungsAbove } from './words.js';

interface JobActionsProps {
  readonly job: Job;
  /** Which of its outputs is looked at, from 0. */
  readonly index?: number;
}

/** What can be done with a job. */
export function JobActions({ job, index = 0 }: JobActionsProps) {
  const fleet = useFleet();
  const keep = useKeepJob();
  const { startFrom } = useDraft();
  const [, go] = useLocation();
  const act = useMutation({
    mutationFn: async (action: (handle: JobHandle) => Promise<Job | JobHandle>) => {
      const done = await action(fleet.jobs.from(job));
      keep('snapshot' in done ? done.snapshot : done);
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
      {rungsAbove(job).map((lod) =>
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
      {!isOpen(job) && <CopyMenu order={orderOf(job)} />}
      {act.error !== null && (
        <p className="fault" role="alert">
          {act.error.message}
        </p>
      )}
    </div>
  );
}
