import { setTimeout as delay } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import { bindGraph, type Graph } from '@comfy-fleet/workflows';
import type { Tools } from '../tools.js';
import { pause } from '../waiting/pause.js';
import { whileStorageFails } from '../waiting/while-storage-fails.js';
import type { HeldJob } from './held-job.js';

/** About what a worker takes to delete a file. */
const DELETING_MS = 20;

/** Binds the job's request to its workflow; a picture it starts from is uploaded to the instance first. */
export async function prepareGraph(job: HeldJob, promptId: string, tools: Tools): Promise<Graph> {
  const { input } = job.record.request;
  if (input === undefined) return bindJob(job, promptId, tools);
  const upload = () => uploadInput(job, input.sha256, tools);
  const what = 'reading the picture that the job starts from';
  return bindJob(job, promptId, tools, await whileStorageFails(job, what, tools, job.signal, upload));
}

/** The graph of a submission; `uploaded` is the name that ComfyUI gave to the input picture. */
export function bindJob(job: HeldJob, promptId: string, { workflows }: Tools, uploaded?: string): Graph {
  const { request } = job.record;
  const template = workflows.templates.get(request.workflow);
  if (template === undefined) {
    const detail = `This worker has no workflow named ${request.workflow}; its WORKFLOWS_DIR differs from the API's.`;
    throw new FleetError('workflow_rejected', detail);
  }
  // The prompt id as prefix: no output is ever another job's file, cached results included.
  const options = { filenamePrefix: promptId };
  return bindGraph(template, request, uploaded === undefined ? options : { ...options, inputName: uploaded });
}

/** Before a picture that is not there is looked for again. */
const SECOND_LOOK_MS = 500;

/** Under its content hash, so that the same picture is one file on the instance however often it is used. */
async function uploadInput(job: HeldJob, sha256: string, { inputs, sharedInputs }: Tools): Promise<string> {
  // From now on nobody deletes it there, and nobody is deleting it.
  while (!(await sharedInputs.use(sha256, job.record.id))) {
    await delay(DELETING_MS);
    job.signal.throwIfAborted();
  }
  const name = inputName(sha256);
  const look = () => inputs.stat(name);
  // The housekeeping that is about to delete an old picture, which somebody takes up again, moves it aside for an instant.
  const stored = (await look()) ?? (await pause(SECOND_LOOK_MS, job.signal).then(look));
  const stream = stored && (await inputs.open(name));
  if (stored === undefined || stream === undefined) {
    const detail = 'The picture this job starts from is no longer there. Send it again.';
    throw new FleetError('input_missing', detail);
  }
  return job.instance.ask((client) => client.upload(name, stream, { bytes: stored.bytes, signal: job.signal }));
}
