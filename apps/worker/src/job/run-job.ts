import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError, filesOf } from '@comfy-fleet/contracts';
import type { Claim } from '@comfy-fleet/jobs';
import { deadlineMs, SAVES_PNG, SAVES_WEBP } from '@comfy-fleet/workflows';
import { deleteInputs } from '../instance/leftovers.js';
import { subjectOf } from '../instance/scope.js';
import type { Slots } from '../slots/slots.js';
import { FastSaveFailed } from '../submission/fast-save.js';
import type { Submission } from '../submission/submission.js';
import { adopt } from './adopt.js';
import { apply, letGo } from './apply.js';
import { loseSubmission } from './clean-up.js';
import { collectAndFinish } from './collect.js';
import { decide } from './decide.js';
import { gatherFacts } from './facts.js';
import { type End, follow, stopPrompt } from './follow.js';
import { HeldJob } from './held-job.js';
import { outcomeOf } from './outcome.js';
import { findRenderedFiles } from './rendered-files.js';
import { Canceled } from './signals.js';
import { inAttempt, inCollecting, traceWait } from './spans.js';
import { submit } from './submit.js';
import type { Tools } from './tools.js';

/**
 * The life of a claimed job: adopt or submit, follow, collect, finish; if that fails, decide what to do about it. Takes
 * a slot before waiting for anything. Never throws: the job is ended, given back, or let go of.
 */
export async function runJob(claim: Claim, slots: Slots, tools: Tools): Promise<void> {
  const job = new HeldJob(claim, slots, tools);
  if (claim.record.submissions === 0) traceWait(job);
  try {
    for (let again = true; again; tools.changed()) again = await tryOnce(job, tools);
    await cleanUpInputs(job, tools);
  } finally {
    job.slot.leave();
    tools.changed();
  }
}

/** Answers whether the job runs again. */
async function tryOnce(job: HeldJob, tools: Tools): Promise<boolean> {
  try {
    await inAttempt(job, () => run(job, tools));
    return false;
  } catch (error) {
    return await settle(job, error, tools);
  }
}

async function settle(job: HeldJob, raw: unknown, tools: Tools): Promise<boolean> {
  if (raw instanceof FastSaveFailed) tools.fastSave.stop(job.record.request);
  const error = job.submission === undefined ? raw : job.submission.names.inError(raw);
  try {
    return await apply(job, decide(error, await gatherFacts(job, error, tools)), error, tools);
  } catch (second) {
    letGo(job, second);
    return false;
  }
}

async function run(job: HeldJob, tools: Tools): Promise<void> {
  const adopted = job.left === undefined ? undefined : await adopt(job, tools);
  // The queue sent it here for its earlier submission; without that, the queue decides where it goes.
  if (adopted === 'gone') return job.claim.release(0);
  await refuseKillerOfWorkers(job, adopted, tools);
  const submission = adopted ?? (await submit(job, tools));

  const longestMs = deadlineMs(tools.workflows.of(job.record.request), job.record.request, {
    profiles: tools.workflows.profiles,
    most: tools.maxGpuSeconds,
  });
  const end = await followToEnd(job, submission, longestMs, tools);
  if (end.state === 'ended') submission.entry = end.entry;
  const { counted, entry, error } = outcomeOf(end, job, longestMs);
  tools.instruments.prompts.inc({ instance: job.instance.name, outcome: counted });
  if (end.state === 'hung') await recordHung(job, submission, end.since, tools);
  submission.instanceDied = end.state === 'absent' && end.died;
  if (job.cancelRequested) {
    // Canceling a job must not hide that it killed its instance.
    if (submission.instanceDied && !submission.isBystander) await loseSubmission(job, 'died', tools);
    throw new Canceled();
  }
  if (error !== undefined) throw ofFastSave(error, submission) ?? error;
  await reportSuccess(job, tools);

  job.slot.leaveGpu();
  tools.changed();
  await inCollecting(() => collectAndFinish(job, submission, entry, tools));
}

/** If a node failed that we put in place of SaveImage, the job is not at fault. */
function ofFastSave(error: FleetError, { graph }: Submission): FastSaveFailed | undefined {
  const isReplaced = error.exception?.nodeClass === SAVES_WEBP && graph[error.nodeId ?? '']?.class_type === SAVES_PNG;
  return isReplaced ? new FastSaveFailed(`${SAVES_WEBP} failed`, error) : undefined;
}

/** Follows it to its end in ComfyUI's history or, if ComfyUI lost that, in its output folder. */
async function followToEnd(job: HeldJob, submission: Submission, longestMs: number, tools: Tools): Promise<End> {
  const ended = (entry: HistoryEntry) => ({ state: 'ended', entry, timedOut: false }) as const;
  if (submission.entry !== undefined) return ended(submission.entry);
  const end = await follow(job, submission, {
    instruments: tools.instruments,
    pollMs: tools.pollMs,
    deadlineMs: longestMs,
    // Another process has already waited in vain.
    graceMs: job.instance.health.state === 'wedged' ? 0 : tools.interruptGraceMs,
  });
  const entry = end.state === 'absent' ? await findRenderedFiles(job, submission, tools) : undefined;
  return entry === undefined ? end : ended(entry);
}

/** Fails a job under which workers died repeatedly, and stops its prompt. */
async function refuseKillerOfWorkers(
  job: HeldJob,
  adopted: Submission | undefined,
  { maxWorkerDeaths }: Tools,
): Promise<void> {
  if (job.record.deaths < maxWorkerDeaths || job.cancelRequested) return;
  if (adopted !== undefined) {
    await stopPrompt(job, adopted);
    // The interrupt may take effect late, or never.
    adopted.isInDoubt = true;
  }
  const detail = `The worker died ${job.record.deaths} times while it held this job, so it is not tried again.`;
  throw new FleetError('worker_killed', detail);
}

/** Records the hung prompt before failing the job, so that the instance's next worker knows about it. */
async function recordHung(job: HeldJob, submission: Submission, since: number, tools: Tools): Promise<void> {
  const { promptId, observed, graph } = submission;
  submission.isInDoubt = true;
  const node = observed.node === undefined ? null : (graph[observed.node]?.class_type ?? observed.node);
  await tools.recordHung({ instance: job.instance.name, promptId, since, node });
  // Neither canceling the job nor its next attempt must hide that it made an instance hang.
  job.obey(await job.claim.kill(promptId));
}

/** Reports the success to this instance and, as a cross-check, to those where the job failed before. */
async function reportSuccess({ record, instance }: HeldJob, { sendCrossCheck }: Tools): Promise<void> {
  instance.health.jobSucceeded(subjectOf(record));
  const failedOn = new Set(record.faults.map((fault) => fault.instance));
  failedOn.delete(instance.name);
  for (const name of failedOn) await sendCrossCheck({ instance: name, job: record.id, verdict: 'succeeded' });
}

/** Deletes the input files however the job ended; jobs that are still open keep files in use. */
async function cleanUpInputs(job: HeldJob, { sharedInputs, instanceNames }: Tools): Promise<void> {
  const { key, request } = job.record;
  const names = filesOf(request).map(([, { name }]) => instanceNames.input(key, name));
  await deleteInputs(job.instance.folders, names, sharedInputs.deleteUnused).catch((error: unknown) =>
    job.log.warn('a file could not be deleted from the input folder of ComfyUI', { error }),
  );
}
