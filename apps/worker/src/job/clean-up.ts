import { deleteOutputs } from '../instance/leftovers.js';
import type { Submission } from '../submission/submission.js';
import type { HeldJob } from './held-job.js';
import type { Tools } from './tools.js';

/**
 * Deletes what this claim or an earlier one may have stored: the ledger says that the job has no outputs (of theirs).
 */
export async function dropLeftFrames(job: HeldJob, { frames }: Pick<Tools, 'frames'>): Promise<void> {
  if (!job.mayHaveStored) return;
  try {
    for await (const { name } of frames.list(`${job.record.id}_`)) await frames.delete(name);
  } catch (error) {
    job.log.warn('files that nobody wants could not be deleted', { error });
  }
}

/** Deletes the files of a submission that are stored or no longer needed. A failure is logged and does not fail the job. */
export async function cleanUpOutputs(job: HeldJob, submission: Submission | undefined): Promise<void> {
  const { outputs = [], temporary = [] } = submission?.entry ?? {};
  await deleteOutputs(job.instance.folders, [...outputs, ...temporary]).catch((error: unknown) =>
    job.log.warn('files could not be deleted from the folders of ComfyUI', { error }),
  );
}
