import { ANONYMOUS, FleetError, isId } from '@comfy-fleet/contracts';
import { isOutputName, jobOfPicture } from '@comfy-fleet/frames';
import type { JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/gate.js';
import { linksOf } from '../server/key-limits.js';
import type { ApiRequest } from '../server/messages.js';

/** A job of the caller; any job if there is no caller (a signed URL). Throws job_not_found, also for jobs of other callers. */
export async function ownJob(
  { ledger: { jobs }, longJobs }: Deps,
  id: string | undefined,
  caller: Caller | undefined,
): Promise<JobSnapshot> {
  const snapshot = id !== undefined && isId(id) ? await jobs.get(id) : undefined;
  if (id === undefined || snapshot === undefined || !owns(caller, snapshot)) throw jobNotFound();
  longJobs.note(id, snapshot.record);
  return snapshot;
}

export function owns(caller: Caller | undefined, { record }: JobSnapshot): boolean {
  return caller === undefined || caller.id === record.key;
}

export function jobNotFound(): FleetError {
  const detail = 'There is no job with this id, or it ended so long ago that it was deleted.';
  return new FleetError('job_not_found', detail);
}

/** Whether the caller may see an output. Without API keys, or with a signed URL, knowing its name is enough. */
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

/**
 * Whom a download or conversion counts against: the caller, the links of the key for which the link was signed, or the
 * public pictures of a key.
 */
export async function keyOfVisit(
  { ledger, keys }: Deps,
  { visitor, path, query, params }: ApiRequest,
): Promise<string> {
  if (visitor !== undefined) return visitor.id;
  const signer = await ledger.urls.verify(path, query, keys?.all() ?? []);
  if (signer !== undefined) return linksOf(signer);
  const key = await keyOfOutput({ ledger }, params.filename ?? '');
  return key === ANONYMOUS ? key : `public pictures of ${key}`;
}

/** The key whose job made the output; ANONYMOUS if that is unknown: public pictures are served without Redis, too. */
export async function keyOfOutput({ ledger }: Pick<Deps, 'ledger'>, filename: string): Promise<string> {
  const job = jobOfPicture(filename);
  const snapshot = job === undefined ? undefined : await ledger.jobs.get(job).catch(() => undefined);
  return snapshot?.record.key ?? ANONYMOUS;
}

/**
 * Resolves file names in a graph to the caller's files, as `asset:<id>` or `job:<id>/<n>`: its uploads, and with the mark
 * `[output]` or `[temp]` the outputs of its jobs. Other names are left out; they never refer to files of an instance.
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
  const job = folder !== 'input' && isOutputName(name) ? jobOfPicture(name) : undefined;
  if (job === undefined) {
    const asset = folder === 'output' ? undefined : await ledger.assets.named(caller.id, name);
    return asset && `asset:${asset.id}`;
  }
  const snapshot = await ledger.jobs.get(job);
  const at = snapshot?.record.outputs.findIndex(({ file }) => file === name) ?? -1;
  return snapshot !== undefined && owns(caller, snapshot) && at >= 0 ? `job:${job}/${at}` : undefined;
}

/** `x.png [output]` names a file in that folder of ComfyUI. */
const MARK = / \[(input|output|temp)\]$/;

interface ComfyuiName {
  /** The name, including a subfolder. */
  readonly name: string;
  readonly folder: 'input' | 'output' | 'temp' | undefined;
}

export function splitName(text: string): ComfyuiName {
  const folder = MARK.exec(text)?.[1] as ComfyuiName['folder'];
  return { name: text.replace(MARK, ''), folder };
}
