import { SubmissionUnknown } from '@comfy-fleet/comfyui';
import { FleetError, filesOf, graphOf, newId } from '@comfy-fleet/contracts';
import { noteEvent } from '@comfy-fleet/telemetry';
import { bindGraph, loadersOf, parseStoredJson } from '@comfy-fleet/workflows';
import { canRun } from '../instance/can-run.js';
import { CallersNames } from '../submission/callers-names.js';
import type { BoundGraph, Submission } from '../submission/submission.js';
import { pause } from '../waiting/pause.js';
import type { HeldJob } from './held-job.js';
import { patiently } from './patiently.js';
import { Unable } from './signals.js';
import type { Tools } from './tools.js';
import { uploadInputs } from './upload-inputs.js';
import { whileStorageFails } from './while-storage-fails.js';

/**
 * Gives the job to its instance under a new prompt id, which is on the record before ComfyUI is asked. Throws what the
 * instance says against it; then nothing of it is in ComfyUI.
 */
export async function submit(job: HeldJob, tools: Tools): Promise<Submission> {
  const promptId = newId();
  const origin = await originOf(job, tools);
  const bound = await bindJob(job, { promptId, origin, files: await uploadInputs(job, tools) }, tools);
  if (tools.logPrompts) {
    const { prompt, negative_prompt } = job.record.request.inputs;
    job.log.info('job is submitted', { prompt_id: promptId, prompt, negative_prompt });
  }
  const submission = await job.writeDown(promptId, bound);
  try {
    const { signal, instance } = job;
    const comfyKey = job.record.comfyKey ?? undefined;
    await instance.ask((client) =>
      client.submit(bound.graph, {
        promptId,
        clientId: instance.clientId,
        comfyKey,
        extraData: origin.extraData,
        signal,
      }),
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

/** What the order said beside the graph, as far as it matters for ComfyUI. */
export interface Origin {
  /** For nodes, such as the workflow that they write into pictures. */
  readonly extraData?: Readonly<Record<string, unknown>>;
  /** What the caller calls files, by their inputs. */
  readonly files?: Readonly<Record<string, string>>;
}

export async function originOf(job: HeldJob, tools: Tools): Promise<Origin> {
  if (!job.record.hasOrigin) return {};
  const what = 'reading the extra data of the job';
  const origin = await whileStorageFails(job, what, tools, job.signal, () => job.claim.origin());
  return origin === undefined ? {} : (parseStoredJson(origin) as Origin);
}

interface Given {
  readonly promptId: string;
  readonly origin: Origin;
  /** What files are called on the instance, by their inputs. */
  readonly files: ReadonlyMap<string, string>;
}

/** What a submission gives ComfyUI. */
export async function bindJob(job: HeldJob, { promptId, origin, files }: Given, tools: Tools): Promise<BoundGraph> {
  const { request } = job.record;
  const workflow = await whileStorageFails(job, 'reading the graph of the job', tools, job.signal, () =>
    tools.workflows.load(request, job.signal),
  );
  const prefix = tools.instanceNames.outputPrefix(promptId);
  const own = new Map(filesOf(request).map(([input, { name }]) => [input, origin.files?.[input] ?? name]));
  const ownByName = new Map([...files].map(([input, name]) => [name, own.get(input) ?? input]));
  return {
    graph: bindGraph(workflow, request, { filenamePrefix: prefix, files }),
    loaders: loadersOf(workflow, request),
    times: tools.nodeTimes.of(graphOf(request)),
    outputs: new Map(workflow.outputs.map(({ node, name }) => [node, name])),
    names: new CallersNames({ prefix, files: ownByName, graph: bindGraph(workflow, request, { files: own }) }),
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
