import { setTimeout as delay } from 'node:timers/promises';
import { SubmissionUnknown } from '@comfy-fleet/comfyui';
import { FleetError, filesOf, graphOf, type InputFile, knownName, newId } from '@comfy-fleet/contracts';
import { inputDigest } from '@comfy-fleet/frames';
import { addSpanEvent } from '@comfy-fleet/telemetry';
import { bindGraph, loadersOf, parseStoredJson } from '@comfy-fleet/workflows';
import { canRun } from '../instance/known-workflows.js';
import { CallerNames } from '../submission/caller-names.js';
import type { BoundGraph, Submission } from '../submission/submission.js';
import { pause } from '../waiting.js';
import type { HeldJob } from './held-job.js';
import { Unable } from './signals.js';
import { retryUntilReachable, retryWhileStorageFails, unlessCanceled } from './step-wrappers.js';
import type { Tools } from './tools.js';

/**
 * Submits the job to its instance under a new prompt id, which is recorded before ComfyUI is asked. Throws if the
 * instance refuses; then ComfyUI does not have it.
 */
export async function submit(job: HeldJob, tools: Tools): Promise<Submission> {
  const promptId = newId();
  const origin = await originOf(job, tools);
  const files = await unlessCanceled(job, tools, (signal) => uploadInputs(job, tools, signal));
  const bound = await bindJob(job, { promptId, origin, files }, tools);
  if (tools.logPrompts) {
    const { prompt, negative_prompt } = job.record.request.inputs;
    job.log.info('job is submitted', { prompt_id: promptId, prompt, negative_prompt });
  }
  const previews = (await isFollowed(job, tools)) ? {} : { preview_method: 'none' };
  await job.slot.slots.makeRoom(job.signal, { record: job.record, nodes: Object.keys(bound.graph).length });
  const hint = await tools.hintBefore(job.instance, job.record, bound);
  const submission = await job.recordSubmission(promptId, bound);
  submission.hint = hint;
  try {
    const { signal, instance } = job;
    const comfyKey = job.record.comfyKey ?? undefined;
    // If no other prompt is there, nothing gains from it, and the job would only wait for its PNG.
    const isAlone = job.slot.slots.onGpu.length === 1;
    const where = { instance, extraData: origin.extraData };
    const graph = isAlone ? bound.graph : tools.fastSave.graphFor(job.record.request, bound.graph, where);
    await instance.ask((client) =>
      client.submit(graph, {
        promptId,
        clientId: instance.clientId,
        comfyKey,
        extraData: { ...previews, ...origin.extraData },
        signal,
      }),
    );
  } catch (error) {
    if (await isUnable(job, error, tools)) throw new Unable('', { cause: error });
    if (!(error instanceof SubmissionUnknown) || !(await arrived(job, promptId))) throw error;
    job.log.warn('submission had an unknown outcome; ComfyUI has it', { prompt_id: promptId, error });
  }
  addSpanEvent('submitted');
  submission.submittedAt = performance.now();
  return submission;
}

/** Whether previews are worth their GPU time. Only newer ComfyUIs switch them off for one prompt; others ignore it. */
async function isFollowed({ record, claim, log }: HeldJob, { followWithinMs }: Tools): Promise<boolean> {
  if (Date.now() - record.createdAt < followWithinMs) return true;
  return claim.isFollowed().catch((error: unknown) => {
    log.debug('could not read whether anybody follows the job', { error });
    return true;
  });
}

/** What the order contained besides the graph, as far as ComfyUI needs it. */
export interface Origin {
  /** For nodes, such as the workflow that they write into pictures. */
  readonly extraData?: Readonly<Record<string, unknown>>;
  /** The caller's names of files, by input. */
  readonly files?: Readonly<Record<string, string>>;
}

export async function originOf(job: HeldJob, tools: Tools): Promise<Origin> {
  if (!job.record.hasOrigin) return {};
  const what = 'reading the extra data of the job';
  const origin = await retryWhileStorageFails(job, what, tools, job.signal, () => job.claim.origin());
  return origin === undefined ? {} : (parseStoredJson(origin) as Origin);
}

interface Given {
  readonly promptId: string;
  readonly origin: Origin;
  /** The names of files on the instance, by input. */
  readonly files: ReadonlyMap<string, string>;
}

/** Binds the job to the graph that ComfyUI gets. */
export async function bindJob(job: HeldJob, { promptId, origin, files }: Given, tools: Tools): Promise<BoundGraph> {
  const { request } = job.record;
  const workflow = await retryWhileStorageFails(job, 'reading the graph of the job', tools, job.signal, () =>
    tools.workflows.load(job.record, job.signal),
  );
  const prefix = tools.instanceNames.outputPrefix(promptId);
  const own = new Map(filesOf(request).map(([input, file]) => [input, origin.files?.[input] ?? knownName(file)]));
  const ownByName = new Map([...files].map(([input, name]) => [name, own.get(input) ?? input]));
  const version = graphOf(request);
  return {
    version,
    graph: bindGraph(workflow, request, { filenamePrefix: prefix, files }),
    loaders: loadersOf(workflow, request),
    times: tools.nodeTimes.of(version),
    outputs: new Map(workflow.outputs.map(({ node, name }) => [node, name])),
    names: new CallerNames({ prefix, files: ownByName, graph: bindGraph(workflow, request, { files: own }) }),
  };
}

/** Whether the instance is the reason for the refusal: a model or node has disappeared since its catalogue was read. */
async function isUnable({ instance, record, signal }: HeldJob, error: unknown, tools: Tools): Promise<boolean> {
  if (!(error instanceof FleetError) || error.code !== 'workflow_rejected') return false;
  const workflow = tools.workflows.of(record.request);
  if (workflow === undefined) return false;
  const known = await instance.learnAgain(workflow.classes, signal).then(
    () => true,
    () => false,
  );
  signal.throwIfAborted();
  return known && !canRun(record, instance, tools.workflows);
}

/** Time before a second look for a prompt whose submission had an unknown outcome. */
const SUBMISSION_RECHECK_MS = 300;

/** Whether ComfyUI has the prompt after an unknown outcome. Asked before anything is sent again. */
async function arrived(job: HeldJob, promptId: string): Promise<boolean> {
  const find = () => retryUntilReachable(job, () => job.instance.ask((client) => client.find(promptId, job.signal)));
  if ((await find()).state !== 'absent') return true;
  // A busy ComfyUI may process the request only now.
  await pause(SUBMISSION_RECHECK_MS, job.signal);
  return (await find()).state !== 'absent';
}

/** About how long a worker takes to delete a file. */
const DELETING_MS = 20;

/**
 * Uploads the input files of a job to its instance. A key's file is stored there once, however often it is used.
 * Answers ComfyUI's names of the files, by input.
 */
async function uploadInputs(job: HeldJob, tools: Tools, signal: AbortSignal): Promise<Map<string, string>> {
  const files = filesOf(job.record.request);
  const uploaded = new Map<string, string>();
  for (const [, file] of files) {
    if (uploaded.has(file.name)) continue;
    const what = 'reading an input file of the job';
    const step = () => upload(job, file, tools, signal);
    uploaded.set(file.name, await retryWhileStorageFails(job, what, tools, signal, step));
  }
  return new Map(files.map(([input, { name }]) => [input, uploaded.get(name) ?? name]));
}

/** Time before a second look for a missing file. */
const INPUT_RECHECK_MS = 500;

async function upload(
  job: HeldJob,
  { name, bytes: told }: InputFile,
  { inputs, sharedInputs, instanceNames }: Tools,
  signal: AbortSignal,
): Promise<string> {
  const nameThere = instanceNames.input(job.record.key, name);
  // From now on no worker deletes the file there.
  while (!(await sharedInputs.use(inputDigest(nameThere), job.record.id))) {
    await delay(DELETING_MS);
    signal.throwIfAborted();
  }
  const look = async () => {
    // The recorded size is preferred, because the store would read the whole file for its digest.
    const bytes = told ?? (await inputs.stat(name))?.bytes;
    const stream = bytes === undefined ? undefined : await inputs.open(name);
    return stream && bytes !== undefined ? { stream, bytes } : undefined;
  };
  // Housekeeping that is about to delete an old file moves it aside for a moment, even if somebody uses it again.
  const stored = (await look()) ?? (await pause(INPUT_RECHECK_MS, signal).then(look));
  if (stored === undefined) {
    const detail = 'An input file of this job is no longer stored. Upload it again.';
    throw new FleetError('input_missing', detail);
  }
  const { stream, bytes } = stored;
  return job.instance.ask((client) => client.upload(nameThere, stream, { bytes, signal }));
}
