import type { FleetError } from '@comfy-fleet/contracts';
import { modelsOfJob } from '../instance/known-workflows.js';
import { subjectOf } from '../instance/scope.js';
import { cleanUpOutputs, dropLeftFrames, loseSubmission } from './clean-up.js';
import { collectOfFailed } from './collect.js';
import type { Decision } from './decide.js';
import { ranOutOfMemory } from './facts.js';
import type { HeldJob } from './held-job.js';
import { Superseded, Unable } from './signals.js';
import type { Tools } from './tools.js';

/** Carries out the decision about `error`. Answers whether the job runs again under this claim. */
export async function apply(job: HeldJob, decision: Decision, error: unknown, tools: Tools): Promise<boolean> {
  if ('blame' in decision && decision.blame !== undefined) blame(job, decision.blame);
  switch (decision.action) {
    case 'let go':
      letGo(job, error);
      return false;
    case 'move':
      return move(job, tools);
    case 'leave':
      job.log.info('giving the job back', { prompt_id: job.submission?.promptId });
      await job.claim.release(0);
      return false;
    case 'end as canceled':
      await finishCanceled(job, tools);
      return false;
    case 'fail':
      for (const instance of decision.alikeOn ?? []) {
        await tools.sendCrossCheck({ instance, job: job.record.id, verdict: 'alike' });
      }
      await finishFailed(job, decision.error, decision.inDoubt === true, tools);
      return false;
    case 'again':
    case 'release':
      return tryAgain(job, decision, error, tools);
  }
}

/** Drops the job as it is. The next claim adopts what ComfyUI has and writes what the ledger refused now. */
export function letGo(job: HeldJob, error: unknown): void {
  if (error instanceof Superseded) job.log.warn('another claim has the job; letting go of it');
  else job.log.error('job could not be ended or given back; it will be claimed again', { error });
  job.claim.letGo();
}

function blame({ record, instance }: HeldJob, { code, detail }: FleetError): void {
  const failure = { code, print: code, error: detail, scope: {}, certain: false };
  instance.health.jobFailed(subjectOf(record), failure);
}

async function move(job: HeldJob, tools: Tools): Promise<boolean> {
  tools.instruments.prompts.inc({ instance: job.instance.name, outcome: 'removed' });
  await loseSubmission(job, 'taken_back', tools);
  // Not earlier: the target's slots stay reserved until the job arrives.
  const target = job.slot.endTakeBack();
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
  target.instance.models.use(modelsOfJob(tools.workflows, job.record.request));
  job.moveTo(target);
  return true;
}

type Retry = Extract<Decision, { action: 'again' | 'release' }>;

async function tryAgain(
  job: HeldJob,
  { action, loss, reason, code, delayMs, faults }: Retry,
  error: unknown,
  tools: Tools,
) {
  const { slot, attempts } = job;
  if (action === 'again') {
    job.ooms += 1;
    // Only if memory really ran out, because freeing it makes other callers' jobs load their models again.
    if (ranOutOfMemory(error)) await job.instance.free(job.signal);
  }
  const cause = error instanceof Unable ? error.cause : error;
  job.log.warn('job will be tried again', { reason, attempts, delay_ms: delayMs, error: cause });
  tools.instruments.retries.inc({ code });
  await loseSubmission(job, loss, tools, faults);
  // Not if an operator is draining the instance.
  if (action === 'again' && slot.slots.isOpen) return true;
  await job.claim.release(delayMs, code);
  return false;
}

async function finishCanceled(job: HeldJob, tools: Tools): Promise<void> {
  const inDoubt = job.submission?.isInDoubt === true;
  const became = await job.finish({ status: 'canceled', inDoubt }, executed(job));
  if (became !== 'superseded') {
    await dropLeftFrames(job, tools);
    await cleanUpOutputs(job, job.submission);
  }
  job.log.info('job ended', { status: became });
}

async function finishFailed(job: HeldJob, error: FleetError, inDoubt: boolean, tools: Tools): Promise<void> {
  const { code, detail, nodeId = null, exception } = error;
  if (code === 'internal_error') job.log.error('job failed for a reason of our own', { error: error.cause });
  const outputs = await collectOfFailed(job, tools);
  const outcome = {
    status: 'failed',
    error: { code, detail, nodeId, exception },
    outputs,
    inDoubt: inDoubt || job.submission?.isInDoubt === true,
  } as const;
  const became = await job.finish(outcome, executed(job));
  if (became !== 'superseded') {
    job.slot.became = became;
    if (became !== 'failed' || outputs.length === 0) await dropLeftFrames(job, tools);
    await cleanUpOutputs(job, job.submission);
  }
  job.log.warn('job ended', { status: became, error });
}

/** The prompt id for `finish`, if ComfyUI began to execute it. */
function executed({ submission }: HeldJob): string | undefined {
  return submission?.hasBegun ? submission.promptId : undefined;
}
