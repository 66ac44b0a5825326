import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import type { Wedge } from '@comfy-fleet/jobs';
import { noteFacts } from '@comfy-fleet/telemetry';
import type { Graph } from '@comfy-fleet/workflows';
import { subjectOf } from '../instance/subject.js';
import type { PromptOutcome } from '../reporting/instruments.js';
import type { Tools } from '../tools.js';
import { adoptJob } from './adopt.js';
import { collectFrames, dropLeftFrames } from './collect.js';
import { type End, followPrompt, stopPrompt } from './follow.js';
import type { HeldJob } from './held-job.js';
import { deleteInput, deleteOutputs } from './leftovers.js';
import { ProgressTracker } from './progress-tracker.js';
import { settleJob } from './settle.js';
import { Canceled } from './signals.js';
import { inAttempt, inCollecting } from './spans.js';
import { type Submitted, submitJob } from './submit.js';
import { unlessCanceled } from './unless-canceled.js';

/**
 * A claimed job's whole way: adopt or submit, follow, collect, finish. Never throws: it ends the job, gives it back, or
 * lets go of it. `changed` is called when a place on a GPU has become free.
 */
export async function runJob(job: HeldJob, tools: Tools, changed: () => void): Promise<void> {
  for (let again = true; again; ) {
    try {
      await inAttempt(job, () => runOnce(job, tools, changed));
      again = false;
    } catch (error) {
      again = await settleJob(job, error, tools);
    }
    job.unwatch();
    changed();
  }
  await cleanUpInput(job, tools);
}

async function runOnce(job: HeldJob, tools: Tools, changed: () => void): Promise<void> {
  const adopted = await adoptJob(job, tools);
  // It came to this lane for what it had left here; a new submission goes where the queue has it go, if anywhere now.
  if (adopted === 'gone') return job.claim.release(0);
  await refuseKiller(job, adopted, tools);
  const { promptId, graph } = adopted ?? (await submitJob(job, tools));
  const end = await followPrompt(job, promptId, {
    tracker: new ProgressTracker(graph, job.record.request.steps, adopted && job.record.progress.fraction),
    pollMs: tools.pollMs,
    deadlineMs: deadlineMs(job, tools),
    // What another process was waiting for in vain is not waited for again.
    graceMs: job.instance.health.state === 'wedged' ? 0 : tools.interruptGraceMs,
    look: adopted !== undefined,
  });
  tools.instruments.prompts.inc({ instance: job.instance.name, outcome: outcomeOf(end, job) });
  if (end.state === 'deaf') await giveUp(job, { promptId, since: end.since, node: nodeOf(job, graph) }, tools);
  if (job.cancelRequested) throw new Canceled();
  const entry = entryOrThrow(job, end);
  await wentWell(job, tools);
  job.endTakeBack();
  job.lane.leaveGpu(job);
  changed();
  await inCollecting(() => finish(job, promptId, entry, tools));
}

/** The instance did it, and so those are at fault where it failed before. */
async function wentWell({ record, instance }: HeldJob, { tellOpinion }: Tools): Promise<void> {
  instance.health.jobSucceeded(subjectOf(record));
  const failedOn = new Set(record.faults.map((fault) => fault.instance));
  failedOn.delete(instance.name);
  for (const name of failedOn) await tellOpinion({ instance: name, job: record.id, verdict: 'succeeded' });
}

function outcomeOf(end: End, { cancelRequested }: HeldJob): PromptOutcome {
  if (end.state === 'deaf') return 'wedged';
  if (end.state === 'absent') return cancelRequested ? 'removed' : 'lost';
  switch (end.entry.outcome) {
    case 'success':
      return 'succeeded';
    case 'error':
      return 'failed';
    case 'interrupted':
      return 'interrupted';
  }
}

/** What it executes, by its class. */
function nodeOf({ heard: { node } }: HeldJob, graph: Graph): string | null {
  return node === undefined ? null : (graph[node]?.class_type ?? node);
}

/** Its job ends without it. Noted before that: whoever has this instance next is to know what goes on in it. */
async function giveUp(job: HeldJob, wedge: Omit<Wedge, 'instance'>, tools: Tools): Promise<void> {
  job.isInDoubt = true;
  await tools.noteWedge({ instance: job.instance.name, ...wedge });
}

/** However the job ended. One that is still open uses the picture itself. */
async function cleanUpInput(job: HeldJob, { sharedInputs }: Tools): Promise<void> {
  const { input } = job.record.request;
  if (input === undefined) return;
  await deleteInput(job.instance.folders, input.sha256, sharedInputs.deleteUnused).catch((error: unknown) =>
    job.log.warn('a picture could not be deleted from the input folder of ComfyUI', { error }),
  );
}

/** The pictures are stored: that ComfyUI keeps its own is no reason for the job to fail. */
async function cleanUp(job: HeldJob, { outputs }: HistoryEntry): Promise<void> {
  await deleteOutputs(job.instance.folders, outputs).catch((error: unknown) =>
    job.log.warn('pictures could not be deleted from the output folder of ComfyUI', { error }),
  );
}

/** A job under which workers died again and again ends here, and so does what ComfyUI has of it. */
async function refuseKiller(job: HeldJob, adopted: Submitted | undefined, { maxWorkerDeaths }: Tools): Promise<void> {
  if (job.record.deaths < maxWorkerDeaths || job.cancelRequested) return;
  if (adopted !== undefined) await stopPrompt(job, adopted.promptId);
  // It may hear of that late, or never.
  job.isInDoubt = adopted !== undefined;
  const detail = `The worker died ${job.record.deaths} times while it held this job, so it is not tried again.`;
  throw new FleetError('worker_killed', detail);
}

function deadlineMs(job: HeldJob, { workflows }: Tools): number {
  return workflows.profiles[job.record.lod].deadlineSeconds * 1000;
}

/** The history entry of a prompt that ComfyUI ran to its end; throws why it did not. */
function entryOrThrow(job: HeldJob, end: End): HistoryEntry {
  const { name } = job.instance;
  if (end.state === 'deaf') {
    const detail =
      'The execution took longer than its level of detail allows. It was interrupted, does not hear of it, and was given up.';
    throw new FleetError('timed_out', detail);
  }
  if (end.state === 'absent') {
    job.instanceDied = end.died;
    if (end.died && job.hasBegun) job.kills += 1;
    const why = end.died ? 'was restarted while it had the prompt' : 'forgot the prompt';
    throw new FleetError('prompt_lost', `The instance ${name} ${why}.`);
  }
  if (end.entry.outcome === 'success') {
    return end.entry;
  }
  if (end.timedOut) {
    throw new FleetError('timed_out', 'The execution took longer than its level of detail allows and was interrupted.');
  }
  if (end.entry.outcome === 'interrupted') {
    throw new FleetError('interrupted', 'The prompt was interrupted in ComfyUI by somebody else than its caller.');
  }
  throw end.entry.error ?? new FleetError('node_execution_error', 'The workflow failed; ComfyUI gave no reason.');
}

async function finish(job: HeldJob, promptId: string, entry: HistoryEntry, tools: Tools): Promise<void> {
  const { executedMs } = job;
  const start = job.heard.ended ?? performance.now();
  job.isCollecting = true;
  const images = await unlessCanceled(
    job,
    (signal) => collectFrames(job, entry, tools, signal),
    async () => {
      await job.noteBeginning();
      job.note(await job.claim.collect());
    },
  );
  const became = await job.claim.finish({ status: 'succeeded', images, executedMs }, promptId);
  noteFacts({ 'comfy_fleet.job.status': became });
  if (became !== 'superseded') {
    job.lane.ended(became);
    if (became === 'succeeded') {
      tools.instruments.jobCollect.observe(job.labels, (performance.now() - start) / 1000);
    } else await dropLeftFrames(job, tools);
    await cleanUp(job, entry);
  }
  job.log.info('job ended', { status: became, images: images.length });
}
