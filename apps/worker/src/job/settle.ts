import { FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault, JobError, Loss } from '@comfy-fleet/jobs';
import { subjectOf } from '../instance/subject.js';
import type { Tools } from '../tools.js';
import { dropLeftFrames } from './collect.js';
import { backoffMs, REACTIONS } from './failures.js';
import { findRoom } from './find-room.js';
import type { HeldJob } from './held-job.js';
import { type FaultCode, KINDS } from './second-opinion.js';
import { settleFault } from './settle-fault.js';
import { Canceled, Stopping, Superseded, TakenBack, Unable } from './signals.js';

/**
 * Turns whatever stopped a job on its way into its next state. Answers true when it is to run again under the same
 * claim, on the lane it is on now; otherwise this claim is over. Never throws.
 */
export async function settleJob(job: HeldJob, error: unknown, tools: Tools): Promise<boolean> {
  try {
    return await settle(job, error, tools);
  } catch (second) {
    if (second instanceof Superseded) job.log.warn('another claim has the job; letting go of it');
    else job.log.error('job could not be settled; it is handed out again', { error: second });
    job.claim.letGo();
    return false;
  }
}

async function settle(job: HeldJob, error: unknown, tools: Tools): Promise<boolean> {
  // What the ledger refused to write now, the next claim writes: it adopts what ComfyUI has.
  if (error instanceof Superseded || isRefusal(error)) throw error;
  if (error instanceof TakenBack) return takenBack(job, tools);
  if (error instanceof Unable) {
    job.log.warn('the instance cannot run the job (any more); it goes back to the queue', { error: error.cause });
    tools.instruments.retries.inc({ code: 'workflow_rejected' });
    await lose(job, 'taken_back', tools);
    await job.claim.release(backoffMs(1));
    return false;
  }
  if (error instanceof Stopping) {
    job.log.info('giving the job back', { prompt_id: job.promptId });
    await job.claim.release(0);
    return false;
  }
  if (error instanceof Canceled) {
    await finishCanceled(job, tools);
    return false;
  }
  if (error instanceof FleetError) return react(job, error, tools);
  job.log.error('job failed for a reason of our own', { error });
  const detail = 'Something went wrong in the worker. The operator finds the reason in its log.';
  await finishFailed(job, tools, new FleetError('internal_error', detail, { cause: error }), { inDoubt: true });
  return false;
}

function isRefusal(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'queue_unavailable';
}

/** To the idle lane of ours that asked for it, or into the queue for another worker's. */
async function takenBack(job: HeldJob, tools: Tools): Promise<boolean> {
  tools.instruments.prompts.inc({ instance: job.instance.name, outcome: 'removed' });
  await lose(job, 'taken_back', tools);
  // Only now: until it is there, the lane is kept for it.
  const target = job.endTakeBack();
  if (job.cancelRequested) {
    await finishCanceled(job, tools);
    return false;
  }
  if (target === undefined || !target.isOpen) {
    job.log.debug('job goes back into the queue, for an idle instance or because its time is up');
    await job.claim.release(0);
    return false;
  }
  job.log.debug('job moves to an idle instance', { to: target.instance.name });
  job.moveTo(target);
  return true;
}

async function react(job: HeldJob, error: FleetError, tools: Tools): Promise<boolean> {
  const reaction = REACTIONS[error.code];
  if (reaction === 'room') return outOfMemory(job, error, tools);
  if (reaction === 'opinion' && isFault(error)) return faulty(job, error, tools);
  if (reaction === 'fail') {
    await finishFailed(job, tools, error);
    return false;
  }
  // A restart takes every prompt with it, and whoever cannot be reached is found out by that.
  if (!job.instanceDied && error.code !== 'instance_unreachable') {
    const { code, detail } = error;
    job.instance.health.jobFailed(subjectOf(job.record), {
      code,
      print: code,
      error: detail,
      scope: {},
      certain: false,
    });
  }
  if (job.kills >= tools.maxInstanceDeaths) {
    const detail = `${job.kills} ComfyUI instances died while they executed this job, so it is not tried again.`;
    await finishFailed(job, tools, new FleetError('instance_killed', detail, { cause: error }));
    return false;
  }
  const refusals = job.record.refusals + (job.hasBegun ? 0 : 1);
  if (job.attempts >= tools.maxAttempts || refusals >= tools.maxRefusals) {
    await finishFailed(job, tools, error, { inDoubt: true });
    return false;
  }
  tools.instruments.retries.inc({ code: error.code });
  await lose(job, job.instanceDied ? 'died' : 'lost', tools);
  const delayMs = backoffMs(Math.max(job.attempts, refusals));
  job.log.warn('job goes back to the queue', { reaction, attempts: job.attempts, refusals, delay_ms: delayMs, error });
  await job.claim.release(delayMs);
  return false;
}

function isFault(error: FleetError): error is FleetError & { readonly code: FaultCode } {
  return Object.hasOwn(KINDS, error.code);
}

/** It failed for what may be the instance's fault. */
async function faulty(job: HeldJob, error: FleetError & { readonly code: FaultCode }, tools: Tools): Promise<boolean> {
  const settlement = await settleFault(job, error, tools);
  if ('error' in settlement) {
    await finishFailed(job, tools, settlement.error);
    return false;
  }
  const { because, delayMs, faults } = settlement;
  const what = because === 'wait' ? 'waits until the instance has recovered' : 'is to be tried on another instance';
  job.log.warn(`job ${what}`, { delay_ms: delayMs, error });
  tools.instruments.retries.inc({ code: error.code });
  await lose(job, 'faulty', tools, faults);
  await job.claim.release(delayMs);
  return false;
}

async function outOfMemory(job: HeldJob, error: FleetError, tools: Tools): Promise<boolean> {
  job.ooms += 1;
  const room = await findRoom(job, tools);
  if (room === 'nowhere') {
    await finishFailed(job, tools, error);
    return false;
  }
  job.log.warn('out of memory; another try', { room, error });
  tools.instruments.retries.inc({ code: error.code });
  await lose(job, 'out_of_memory', tools);
  // No longer when an operator is draining it.
  if (room === 'here' && job.lane.isOpen) return true;
  await job.claim.release(0);
  return false;
}

async function lose(job: HeldJob, why: Loss, tools: Tools, faults?: readonly InstanceFault[]): Promise<void> {
  if (job.promptId === undefined) return;
  await job.lose(job.promptId, why, faults);
  await dropLeftFrames(job, tools);
}

/** The prompt id for `finish`, if ComfyUI began to execute it. */
function executed(job: HeldJob): string | undefined {
  return job.hasBegun ? job.promptId : undefined;
}

async function finishCanceled(job: HeldJob, tools: Tools): Promise<void> {
  const became = await job.claim.finish({ status: 'canceled', inDoubt: job.isInDoubt }, executed(job));
  if (became !== 'superseded') await dropLeftFrames(job, tools);
  job.log.info('job ended', { status: became });
}

/** `inDoubt`: ComfyUI may still have the submission. */
async function finishFailed(
  job: HeldJob,
  tools: Tools,
  error: FleetError,
  { inDoubt = job.isInDoubt }: { inDoubt?: boolean } = {},
): Promise<void> {
  const became = await job.claim.finish({ status: 'failed', error: toJobError(error), inDoubt }, executed(job));
  if (became !== 'superseded') {
    job.lane.ended(became);
    await dropLeftFrames(job, tools);
  }
  job.log.warn('job ended', { status: became, error });
}

function toJobError(error: FleetError): JobError {
  return { code: error.code, detail: error.detail, nodeId: error.nodeId ?? null };
}
