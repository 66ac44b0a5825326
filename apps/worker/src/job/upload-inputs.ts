import { setTimeout as delay } from 'node:timers/promises';
import { FleetError, filesOf, type InputFile } from '@comfy-fleet/contracts';
import { inputDigest } from '@comfy-fleet/frames';
import { pause } from '../waiting/pause.js';
import type { HeldJob } from './held-job.js';
import type { Tools } from './tools.js';
import { whileStorageFails } from './while-storage-fails.js';

/** About what a worker takes to delete a file. */
const DELETING_MS = 20;

/**
 * Uploads the files that a job starts from to its instance: what a key sent once is one file there however often it is
 * used. Answers the names that ComfyUI gave to them, by their inputs.
 */
export async function uploadInputs(job: HeldJob, tools: Tools): Promise<Map<string, string>> {
  const files = filesOf(job.record.request);
  const uploaded = new Map<string, string>();
  for (const [, file] of files) {
    if (uploaded.has(file.name)) continue;
    const what = 'reading a file that the job starts from';
    uploaded.set(file.name, await whileStorageFails(job, what, tools, job.signal, () => upload(job, file, tools)));
  }
  return new Map(files.map(([input, { name }]) => [input, uploaded.get(name) ?? name]));
}

/** Before a file that is not there is looked for again. */
const SECOND_LOOK_MS = 500;

async function upload(
  job: HeldJob,
  { name, bytes: told }: InputFile,
  { inputs, sharedInputs, instanceNames }: Tools,
): Promise<string> {
  const nameThere = instanceNames.input(job.record.key, name);
  // From now on nobody deletes it there, and nobody is deleting it.
  while (!(await sharedInputs.use(inputDigest(nameThere), job.record.id))) {
    await delay(DELETING_MS);
    job.signal.throwIfAborted();
  }
  const look = async () => {
    // To ask the store would read the whole of it for its digest.
    const bytes = told ?? (await inputs.stat(name))?.bytes;
    const stream = bytes === undefined ? undefined : await inputs.open(name);
    return stream && bytes !== undefined ? { stream, bytes } : undefined;
  };
  // The housekeeping that is about to delete an old file, which somebody takes up again, moves it aside for an instant.
  const stored = (await look()) ?? (await pause(SECOND_LOOK_MS, job.signal).then(look));
  if (stored === undefined) {
    const detail = 'A file this job starts from is no longer there. Send it again.';
    throw new FleetError('input_missing', detail);
  }
  const { stream, bytes } = stored;
  return job.instance.ask((client) => client.upload(nameThere, stream, { bytes, signal: job.signal }));
}
