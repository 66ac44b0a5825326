import { SubmissionUnknown } from '@comfy-fleet/comfyui';
import { FleetError, graphOf, newId } from '@comfy-fleet/contracts';
import { noteEvent } from '@comfy-fleet/telemetry';
import { bindGraph, loadersOf, parseStoredJson } from '@comfy-fleet/workflows';
import { canRun } from '../instance/can-run.js';
import type { Tools } from '../tools.js';
import { patiently } from '../waiting/patiently.js';
import { pause } from '../waiting/pause.js';
import { whileStorageFails } from '../waiting/while-storage-fails.js';
import type { HeldJob } from './held-job.js';
import { Unable } from './signals.js';
import type { BoundGraph, Submission } from './submission.js';
import { uploadInputs } from './upload-inputs.js';

/**
 * Gives the job to its instance under a new prompt id, which is on the record before ComfyUI is asked. Throws what the
 * instance says against it; then nothing of it is in ComfyUI.
 */
export async function submit(job: HeldJob, tools: Tools): Promise<Submission> {
  const promptId = newId();
  const bound = await bindJob(job, promptId, tools, await uploadInputs(job, tools));
  if (tools.logPrompts) {
    const { prompt, negative_prompt } = job.record.request.inputs;
    job.log.info('job is submitted', { prompt_id: promptId, prompt, negative_prompt });
  }
  const extraData = await extraDataOf(job, tools);
  const submission = await job.writeDown(promptId, bound);
  try {
    const { signal, instance } = job;
    const comfyKey = job.record.comfyKey ?? undefined;
    await instance.ask((client) =>
      client.submit(bound.graph, { promptId, clientId: instance.clientId, comfyKey, extraData, signal }),
    );
  } catch (error) {
    if (await isUnable(job, error, tools)) throw new Unable('', { cause: error });
    if (!(error instanceof SubmissionUnknown) || !(await arrived(job, promptId))) throw error;
    job.log.warn('submission had an unknown outcome; ComfyUI has it', { prompt_id: promptId, error });
  }
  noteEvent('submitted');
  submission.submittedAt = performance.now();
  return submission;
}

/** What came with the graph for ComfyUI's nodes, such as the workflow that they write into pictures. */
async function extraDataOf(job: HeldJob, tools: Tools): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (!job.record.hasOrigin) return undefined;
  const what = 'reading the extra data of the job';
  const origin = await whileStorageFails(job, what, tools, job.signal, () => job.claim.origin());
  return origin === undefined ? undefined : (parseStoredJson(origin) as Origin).extraData;
}

/** Of an origin, what is not for the answers of the API alone. */
interface Origin {
  readonly extraData?: Readonly<Record<string, unknown>>;
}

/** What a submission gives ComfyUI; `files` are the names that ComfyUI gave to its files, by their inputs. */
export async function bindJob(
  job: HeldJob,
  promptId: string,
  tools: Tools,
  files: ReadonlyMap<string, string>,
): Promise<BoundGraph> {
  const { request } = job.record;
  const workflow = await whileStorageFails(job, 'reading the graph of the job', tools, job.signal, () =>
    tools.workflows.load(request, job.signal),
  );
  // The prompt id as prefix: no output is ever another job's file, cached results included.
  return {
    graph: bindGraph(workflow, request, { filenamePrefix: promptId, files }),
    loaders: loadersOf(workflow, request),
    times: tools.nodeTimes.of(graphOf(request)),
    outputs: new Map(workflow.outputs.map(({ node, name }) => [node, name])),
  };
}

/** Whether the refusal is the instance's fault: a model or a node went since it was asked what it has. */
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
