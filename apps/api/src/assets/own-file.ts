import { jobOfPicture } from '@comfy-fleet/frames';
import type { Caller } from '../access/caller.js';
import { owns } from '../access/own-job.js';
import type { Deps } from '../deps.js';

/** In which folder of a ComfyUI the file is, as its nodes write it behind a name. */
const FOLDER = /^(.*) \[(?:input|output|temp)\]$/s;

/**
 * The caller's own file that a graph calls by a plain name, as an input takes it: an upload by the name that was given to
 * it, or an output by the name under which it is served. Undefined: there is none, whatever the instances have.
 */
export async function ownFile(
  { ledger }: Pick<Deps, 'ledger'>,
  caller: Caller,
  text: string,
): Promise<string | undefined> {
  const name = FOLDER.exec(text)?.[1] ?? text;
  const jobId = jobOfPicture(name);
  const snapshot = jobId === undefined ? undefined : await ledger.jobs.get(jobId);
  if (snapshot !== undefined && owns(caller, snapshot)) {
    const index = snapshot.record.outputs.findIndex(({ file }) => file === name);
    if (index >= 0) return `job:${jobId}/${index}`;
  }
  const asset = await ledger.assets.named(caller.id, name);
  return asset === undefined ? undefined : `asset:${asset.id}`;
}
