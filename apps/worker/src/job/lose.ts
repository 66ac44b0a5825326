import type { InstanceFault, Loss } from '@comfy-fleet/jobs';
import { cleanUpOutputs, dropLeftFrames } from './clean-up.js';
import { noteBeginning } from './follow.js';
import type { HeldJob } from './held-job.js';
import type { Tools } from './tools.js';

/**
 * ComfyUI has nothing of the job's submission (any more), or not where we reach it: it goes off the record, and what was
 * stored of it out of the store. `faults`: what the record is to say of them from now on.
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
  // An execution counts, and may count against the job, however short it was.
  if (submission?.hasBegun && !submission.isAdopted) await noteBeginning(job);
  job.left = undefined;
  job.slot.drop();
  job.note(await job.claim.lose(promptId, why, faults));
  await dropLeftFrames(job, tools);
  await cleanUpOutputs(job, submission);
}
