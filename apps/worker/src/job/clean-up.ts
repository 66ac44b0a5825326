import type { OutputFile } from '@comfy-fleet/comfyui';
import type { InstanceFault, Loss } from '@comfy-fleet/jobs';
import { GRAPH } from '@comfy-fleet/workflows';
import { deleteByPrefix, deleteOutputs } from '../instance/leftovers.js';
import type { Submission } from '../submission/submission.js';
import { recordBeginning } from './follow.js';
import type { HeldJob } from './held-job.js';
import type { Tools } from './tools.js';

/**
 * Deletes outputs that this claim or an earlier one may have stored, when the ledger has none of them on the record.
 */
export async function dropLeftFrames(job: HeldJob, { frames }: Pick<Tools, 'frames'>): Promise<void> {
  if (!job.mayHaveStored) return;
  try {
    for await (const { name } of frames.list(`${job.record.id}_`)) await frames.delete(name);
  } catch (error) {
    job.log.warn('could not delete unneeded outputs', { error });
  }
}

/**
 * Whether a file is the preview of an earlier prompt, which ComfyUI lists again if it has the node's result cached. It may be
 * gone already, or belong to a job that is still being collected.
 */
export function isOfEarlierPrompt({ submission, record }: HeldJob, { type, nodeId }: OutputFile): boolean {
  const cached = submission?.cachedNodes ?? record.cachedNodes ?? [];
  return type === 'temp' && cached.includes(nodeId);
}

/**
 * Deletes the files of a submission from ComfyUI's folders once they are stored or no longer needed, and later its entry
 * in the history. A failure is only logged.
 */
export async function cleanUpOutputs(job: HeldJob, submission: Submission | undefined): Promise<void> {
  if (submission === undefined) return;
  const { entry, names } = submission;
  const { outputs = [], temporary = [] } = entry ?? {};
  const own = [...outputs, ...temporary].filter((file) => !isOfEarlierPrompt(job, file));
  const { folders } = job.instance;
  try {
    await deleteOutputs(folders, own);
    // A node that fails in the middle of a list has saved the items before, which no history lists.
    if (entry?.outcome !== 'success') await deleteByPrefix(folders, names.prefix);
  } catch (error) {
    job.log.warn('files could not be deleted from the folders of ComfyUI', { error });
  }
  if (job.record.request.workflow !== GRAPH) return;
  await job.instance
    .forgetLater(submission.promptId, job.signal)
    .catch((error: unknown) => job.log.debug('a prompt could not be deleted from the history', { error }));
}

/**
 * Takes the job's submission off the record because ComfyUI has lost it or cannot be reached, and deletes what was
 * stored of it. `faults` replaces the faults on the record.
 */
export async function loseSubmission(
  job: HeldJob,
  why: Loss,
  tools: Pick<Tools, 'frames' | 'workflows'>,
  faults?: readonly InstanceFault[],
): Promise<void> {
  const { submission } = job;
  const promptId = submission?.promptId ?? job.left;
  if (promptId === undefined) return;
  // Record the beginning first: even a short execution counts as an attempt, and may count as a kill.
  if (submission?.hasBegun && !submission.isAdopted) await recordBeginning(job);
  job.left = undefined;
  job.slot.drop();
  // If the instance died after the prompt's end, it died of another one.
  const hasEnded = why === 'died' && submission?.observed.ended !== undefined;
  job.obey(await job.claim.lose(promptId, hasEnded ? 'lost' : why, faults));
  await dropLeftFrames(job, tools);
  await cleanUpOutputs(job, submission);
}
