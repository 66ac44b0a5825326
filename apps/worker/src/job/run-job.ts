import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError, filesOf } from '@comfy-fleet/contracts';
import type { Claim } from '@comfy-fleet/jobs';
import { deadlineMs } from '@comfy-fleet/workflows';
import { deleteInputs } from '../instance/leftovers.js';
import { subjectOf } from '../instance/scope.js';
import type { Slots } from '../slots/slots.js';
import type { Submission } from '../submission/submission.js';
import { adopt } from './adopt.js';
import { apply, letGo } from './apply.js';
import { collectAndFinish } from './collect.js';
import { decide } from './decide.js';
import { gatherFacts } from './facts.js';
import { findFilesLeft } from './files-left.js';
import { type End, follow, stopPrompt } from './follow.js';
import { HeldJob } from './held-job.js';
import { loseSubmission } from './lose.js';
import { outcomeOf } from './outcome.js';
import { Canceled } from './signals.js';
import { inAttempt, inCollecting, noteWait } from './spans.js';
import { submit } from './submit.js';
import type { Tools } from './tools.js';

/**
 * The life of a claimed job: adopted or submitted, followed, collected, finished; where that fails, what is decided about it.
 * It takes a slot at once, before anything is waited for. Never throws: the job is ended, given back, or let go of.
 */
export async function runJob(claim: Claim, slots: Slots, tools: Tools): Promise<void> {
  const job = new HeldJob(claim, slots, tools);
  if (claim.record.submissions === 0) noteWait(job);
  try {
    for (let again = true; again; tools.changed()) again = await tryOnce(job, tools);
    await cleanUpInputs(job, tools);
  } finally {
    job.slot.leave();
    tools.changed();
  }
}

/** Answers whether it is to run again. */
async function tryOnce(job: HeldJob, tools: Tools): Promise<boolean> {
  try {
    await inAttempt(job, () => run(job, tools));
    return false;
  } catch (error) {
    return await settle(job, error, tools);
  }
}

async function settle(job: HeldJob, raw: unknown, tools: Tools): Promise<boolean> {
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
  // It came here for what it had left here; a new submission goes where the queue has it go, if anywhere now.
  if (adopted === 'gone') return job.claim.release(0);
  await refuseKiller(job, adopted, tools);
  const submission = adopted ?? (await submit(job, tools));

  const longestMs = deadlineMs(tools.workflows.of(job.record.request), job.record.request, {
    profiles: tools.workflows.profiles,
    most: tools.maxGpuSeconds,
  });
  const end = await followToEnd(job, submission, longestMs, tools);
  if (end.state === 'ended') submission.entry = end.entry;
  const { counted, entry, error } = outcomeOf(end, job, longestMs);
  tools.instruments.prompts.inc({ instance: job.instance.name, outcome: counted });
  if (end.state === 'deaf') await giveUp(job, submission, end.since, tools);
  submission.instanceDied = end.state === 'absent' && end.died;
  if (job.cancelRequested) {
    // Canceling a job must not hide that it killed its instance.
    if (submission.instanceDied) await loseSubmission(job, 'died', tools);
    throw new Canceled();
  }
  if (error !== undefined) throw error;
  await wentWell(job, tools);

  job.slot.leaveGpu();
  tools.changed();
  await inCollecting(() => collectAndFinish(job, submission, entry, tools));
}

/** To the end in ComfyUI's history, or, if ComfyUI lost that, in its output folder. */
async function followToEnd(job: HeldJob, submission: Submission, longestMs: number, tools: Tools): Promise<End> {
  const ended = (entry: HistoryEntry) => ({ state: 'ended', entry, timedOut: false }) as const;
  if (submission.entry !== undefined) return ended(submission.entry);
  const end = await follow(job, submission, {
    instruments: tools.instruments,
    pollMs: tools.pollMs,
    deadlineMs: longestMs,
    // What another process was waiting for in vain is not waited for again.
    graceMs: job.instance.health.state === 'wedged' ? 0 : tools.interruptGraceMs,
  });
  const entry = end.state === 'absent' ? await findFilesLeft(job, submission, tools) : undefined;
  return entry === undefined ? end : ended(entry);
}

/** A job under which workers died again and again ends here, and so does what ComfyUI has of it. */
async function refuseKiller(job: HeldJob, adopted: Submission | undefined, { maxWorkerDeaths }: Tools): Promise<void> {
  if (job.record.deaths < maxWorkerDeaths || job.cancelRequested) return;
  if (adopted !== undefined) {
    await stopPrompt(job, adopted);
    // It may hear of that late, or never.
    adopted.isInDoubt = true;
  }
  const detail = `The worker died ${job.record.deaths} times while it held this job, so it is not tried again.`;
  throw new FleetError('worker_killed', detail);
}

/** Its job ends without it. Noted before that: whoever has this instance next is to know what goes on in it. */
async function giveUp(job: HeldJob, submission: Submission, since: number, tools: Tools): Promise<void> {
  const { promptId, heard, graph } = submission;
  submission.isInDoubt = true;
  const node = heard.node === undefined ? null : (graph[heard.node]?.class_type ?? heard.node);
  await tools.noteWedge({ instance: job.instance.name, promptId, since, node });
  // Neither canceling the job nor its next attempt must hide that it wedged an instance.
  job.note(await job.claim.kill(promptId));
}

/** The instance did it, and so those are at fault where it failed before. */
async function wentWell({ record, instance }: HeldJob, { sendOpinion }: Tools): Promise<void> {
  instance.health.jobSucceeded(subjectOf(record));
  const failedOn = new Set(record.faults.map((fault) => fault.instance));
  failedOn.delete(instance.name);
  for (const name of failedOn) await sendOpinion({ instance: name, job: record.id, verdict: 'succeeded' });
}

/** However the job ended. One that is still open uses its files itself. */
async function cleanUpInputs(job: HeldJob, { sharedInputs, instanceNames }: Tools): Promise<void> {
  const { key, request } = job.record;
  const names = filesOf(request).map(([, { name }]) => instanceNames.input(key, name));
  await deleteInputs(job.instance.folders, names, sharedInputs.deleteUnused).catch((error: unknown) =>
    job.log.warn('a file could not be deleted from the input folder of ComfyUI', { error }),
  );
}
