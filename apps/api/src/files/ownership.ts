import { ANONYMOUS, FleetError, isId } from '@comfy-fleet/contracts';
import { isOutputName, jobOfPicture } from '@comfy-fleet/frames';
import type { JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import type { ApiRequest } from '../server/messages.js';

/**
 * The job as it is now. Throws job_not_found for one that does not exist, or is another caller's: which of the two is
 * nobody's business. Without a caller (a signed URL) whose it is does not matter.
 */
export async function ownJob(
  { ledger: { jobs } }: Deps,
  id: string | undefined,
  caller: Caller | undefined,
): Promise<JobSnapshot> {
  const snapshot = id !== undefined && isId(id) ? await jobs.get(id) : undefined;
  if (snapshot === undefined || !owns(caller, snapshot)) throw jobNotFound();
  return snapshot;
}

export function owns(caller: Caller | undefined, { record }: JobSnapshot): boolean {
  return caller === undefined || caller.id === record.key;
}

export function jobNotFound(): FleetError {
  return new FleetError(
    'job_not_found',
    'There is no job with this id, or it ended so long ago that it was forgotten.',
  );
}

/**
 * Whether the caller may see an output: one that a job of its own made. Without keys, or with a signed URL, everybody
 * may who knows the name.
 */
export async function maySeeOutput(
  { ledger: { jobs } }: Deps,
  name: string,
  caller: Caller | undefined,
): Promise<boolean> {
  if (!isOutputName(name)) return false;
  if (caller === undefined || caller.id === ANONYMOUS) return true;
  const snapshot = await jobs.get(name.slice(0, name.indexOf('_')));
  return snapshot !== undefined && owns(caller, snapshot);
}

/** Whose picture is converted: a signed link names the key that signed it. */
export function keyOfVisit({ config }: Pick<Deps, 'config'>, { caller, query }: Pick<ApiRequest, 'caller' | 'query'>) {
  return caller?.id ?? (config.access.publicImages ? '' : (query.get('key') ?? ''));
}

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

/** `x.png [output]`: a file of that folder of ComfyUI. */
const MARK = / \[(input|output|temp)\]$/;

/** A file's name and the folder of ComfyUI that it is said to be in. */
export interface ComfyuiName {
  /** With its subfolder. */
  readonly name: string;
  readonly folder: 'input' | 'output' | 'temp' | undefined;
}

export function splitName(text: string): ComfyuiName {
  const folder = MARK.exec(text)?.[1] as ComfyuiName['folder'];
  return { name: text.replace(MARK, ''), folder };
}
