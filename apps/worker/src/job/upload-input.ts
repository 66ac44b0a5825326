import { setTimeout as delay } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import type { Tools } from '../tools.js';
import { pause } from '../waiting/pause.js';
import { whileStorageFails } from '../waiting/while-storage-fails.js';
import type { HeldJob } from './held-job.js';

/** About what a worker takes to delete a file. */
const DELETING_MS = 20;

/**
 * Uploads the picture that a job starts from to its instance, under its content hash: the same picture is one file there
 * however often it is used. Answers the name that ComfyUI gave to it.
 */
export function uploadInput(job: HeldJob, sha256: string, tools: Tools): Promise<string> {
  const what = 'reading the picture that the job starts from';
  return whileStorageFails(job, what, tools, job.signal, () => upload(job, sha256, tools));
}

/** Before a picture that is not there is looked for again. */
const SECOND_LOOK_MS = 500;

async function upload(job: HeldJob, sha256: string, { inputs, sharedInputs }: Tools): Promise<string> {
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
