import { isOutputName, jobOfPicture } from '@comfy-fleet/frames';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import { owns } from './own-job.js';
import { type ComfyuiName, splitName } from './split-name.js';

/**
 * The files that names in a graph stand for, as orders name them: uploads of the caller by the name that it was answered,
 * and outputs of its jobs marked `[output]` or `[temp]`. What it has no file for is left out: no instance's own files are
 * ever meant.
 */
export async function namedFiles(
  deps: Deps,
  caller: Caller,
  names: Iterable<string>,
): Promise<ReadonlyMap<string, string>> {
  const found = await Promise.all(
    [...new Set(names)].map(async (text) => [text, await referenceTo(deps, caller, splitName(text))] as const),
  );
  return new Map(found.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}

async function referenceTo(
  { ledger }: Deps,
  caller: Caller,
  { name, folder = 'input' }: ComfyuiName,
): Promise<string | undefined> {
  if (folder !== 'input') {
    const job = isOutputName(name) ? jobOfPicture(name) : undefined;
    if (job === undefined) return folder === 'temp' ? uploaded(ledger, caller, name) : undefined;
    const snapshot = await ledger.jobs.get(job);
    const at = snapshot?.record.outputs.findIndex(({ file }) => file === name) ?? -1;
    return snapshot !== undefined && owns(caller, snapshot) && at >= 0 ? `job:${job}/${at}` : undefined;
  }
  return uploaded(ledger, caller, name);
}

async function uploaded({ assets }: Deps['ledger'], caller: Caller, name: string): Promise<string | undefined> {
  const asset = await assets.named(caller.id, name);
  return asset === undefined ? undefined : `asset:${asset.id}`;
}
