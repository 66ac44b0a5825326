import { SubmissionUnknown } from '@comfy-fleet/comfyui';
import { newId } from '@comfy-fleet/contracts';
import type { Graph } from '@comfy-fleet/workflows';
import type { HeldJob } from './held-job.js';
import { patiently } from './patiently.js';

export interface Submitted {
  readonly promptId: string;
  readonly graph: Graph;
}

/**
 * Gives the job to its instance under a new prompt id, which is on the record before ComfyUI is asked. Throws what the
 * instance says against it; then nothing of it is in ComfyUI.
 */
export async function submitJob(job: HeldJob, prepare: (promptId: string) => Promise<Graph>): Promise<Submitted> {
  const promptId = newId();
  const graph = await prepare(promptId);
  job.noteOrStop(await job.claim.submit(promptId, job.instance.name));
  job.watch(promptId);
  try {
    await job.instance.ask((client) =>
      client.submit(graph, { promptId, clientId: job.instance.clientId, signal: job.signal }),
    );
  } catch (error) {
    if (!(error instanceof SubmissionUnknown) || !(await arrived(job, promptId))) throw error;
    job.log.warn('submission had an unknown outcome; ComfyUI has it', { prompt: promptId, error });
  }
  return { promptId, graph };
}

/** After an unknown outcome: whether ComfyUI took the prompt. Asked before anything is sent again. */
async function arrived(job: HeldJob, promptId: string): Promise<boolean> {
  const { state } = await patiently(job, () => job.instance.ask((client) => client.find(promptId, job.signal)));
  return state !== 'absent';
}
