import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import type { JobError } from '@comfy-fleet/jobs';
import { adoptJob } from './adopt.js';
import { collectFrames, dropFrames } from './collect.js';
import { backoffMs, REACTIONS } from './failures.js';
import { type End, followPrompt } from './follow.js';
import type { HeldJob } from './held-job.js';
import { prepareGraph } from './prepare.js';
import { ProgressTracker } from './progress-tracker.js';
import { Canceled, Stopping, Superseded } from './signals.js';
import { submitJob } from './submit.js';
import type { Tools } from './tools.js';

/**
 * A claimed job's whole way on its instance: adopt or submit, follow, collect, finish. Never throws: it ends the job,
 * gives it back, or lets go of it. `gpuFree` is called as soon as ComfyUI has nothing more to do for it.
 */
export async function runJob(job: HeldJob, tools: Tools, gpuFree: () => void): Promise<void> {
  try {
    const adopted = await adoptJob(job, tools);
    const { promptId, graph } = adopted ?? (await submitJob(job, (id) => prepareGraph(job, id, tools)));
    const tracker = new ProgressTracker(graph, job.record.request.steps);
    const end = await followPrompt(job, promptId, { tracker, pollMs: tools.pollMs, look: adopted !== undefined });
    gpuFree();
    await conclude(job, promptId, end, tools);
  } catch (error) {
    await settle(job, error, tools);
  } finally {
    job.unwatch();
  }
}

async function conclude(job: HeldJob, promptId: string, end: End, tools: Tools): Promise<void> {
  if (end.state === 'absent') {
    if (job.cancelRequested) throw new Canceled();
    throw new FleetError(
      'prompt_lost',
      `The instance ${job.instance.name} forgot the prompt, as a restart makes it do.`,
    );
  }
  if (job.cancelRequested) throw new Canceled();
  const failure = failureOf(end.entry);
  if (failure !== undefined) {
    await finishFailed(job, failure, promptId);
    return;
  }
  job.note(await job.claim.collect());
  const images = await collectFrames(job, end.entry, tools.frames);
  const became = await job.claim.finish({ status: 'succeeded', images }, promptId);
  if (became !== 'succeeded' && became !== 'superseded') await dropFrames(images, tools.frames);
  job.log.info('job ended', { status: became, images: images.length });
}

function failureOf(entry: HistoryEntry): FleetError | undefined {
  if (entry.outcome === 'interrupted') {
    return new FleetError('interrupted', 'The prompt was interrupted in ComfyUI by somebody else than its caller.');
  }
  return entry.error;
}

async function finishFailed(job: HeldJob, error: FleetError, executed?: string): Promise<void> {
  const became = await job.claim.finish({ status: 'failed', error: toJobError(error) }, executed);
  job.log.warn('job ended', { status: became, error });
}

/** Turns whatever stopped a job on its way into its next state. */
async function settle(job: HeldJob, error: unknown, tools: Tools): Promise<void> {
  try {
    if (error instanceof Superseded) {
      job.log.warn('another claim has the job; letting go of it');
      job.claim.letGo();
    } else if (error instanceof Stopping) {
      job.log.info('giving the job back', { prompt: job.promptId });
      await job.claim.release(0);
    } else if (error instanceof Canceled) {
      const became = await job.claim.finish({ status: 'canceled' });
      job.log.info('job ended', { status: became });
    } else if (error instanceof FleetError) {
      await react(job, error, tools);
    } else {
      job.log.error('job failed for a reason of our own', { error });
      const detail = 'Something went wrong in the worker. The operator finds the reason in its log.';
      await finishFailed(job, new FleetError('internal_error', detail, { cause: error }));
    }
  } catch (second) {
    if (!(second instanceof Superseded))
      job.log.error('job could not be settled; its lock will lapse', { error: second });
    job.claim.letGo();
  }
}

async function react(job: HeldJob, error: FleetError, { maxAttempts }: Tools): Promise<void> {
  const reaction = REACTIONS[error.code];
  if (reaction === 'fail' || job.attempts >= maxAttempts) {
    await finishFailed(job, error);
    return;
  }
  if (job.promptId !== undefined) job.note(await job.claim.lose(job.promptId));
  const delayMs = backoffMs(reaction === 'again' ? job.attempts : 0);
  job.log.warn('job goes back to the queue', { reaction, attempts: job.attempts, delay_ms: delayMs, error });
  await job.claim.release(delayMs);
}

function toJobError(error: FleetError): JobError {
  return { code: error.code, detail: error.detail, nodeId: error.nodeId ?? null };
}
