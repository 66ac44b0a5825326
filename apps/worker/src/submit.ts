import { SubmissionUnknown } from '@comfy-fleet/comfyui';
import { newId } from '@comfy-fleet/contracts';
import type { Graph } from '@comfy-fleet/workflows';
import type { HeldJob } from './held-job.js';
import { patiently } from './patiently.js';
import { pause } from './pause.js';

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
  const { first } = job.lane;
  const expectedStart = first === undefined || first === job ? undefined : Date.now() + remainingMs(first);
  job.noteOrStop(await job.claim.submit(promptId, job.instance.name, expectedStart));
  job.watch(promptId);
  try {
    await job.instance.ask((client) =>
      client.submit(graph, { promptId, clientId: job.instance.clientId, signal: job.signal }),
    );
  } catch (error) {
    if (!(error instanceof SubmissionUnknown) || !(await arrived(job, promptId))) throw error;
    job.log.warn('submission had an unknown outcome; ComfyUI has it', { prompt: promptId, error });
  }
  job.submitted();
  return { promptId, graph };
}

/** What is assumed of an execution that has not said how far it is. */
const UNKNOWN_REMAINING_MS = 30_000;

/** How long what executes before it is expected to go on, from how far it has come. */
function remainingMs({ beganAt, fraction }: HeldJob): number {
  if (beganAt === undefined || fraction < 0.02) return UNKNOWN_REMAINING_MS;
  return ((Date.now() - beganAt) * (1 - fraction)) / fraction;
}

/** Between two looks for a prompt whose submission had an unknown outcome. */
const SECOND_LOOK_MS = 300;

/** After an unknown outcome: whether ComfyUI took the prompt. Asked before anything is sent again. */
async function arrived(job: HeldJob, promptId: string): Promise<boolean> {
  const find = () => patiently(job, () => job.instance.ask((client) => client.find(promptId, job.signal)));
  if ((await find()).state !== 'absent') return true;
  // A busy ComfyUI may take the request only now.
  await pause(SECOND_LOOK_MS, job.signal);
  return (await find()).state !== 'absent';
}
