import { ANONYMOUS } from '@comfy-fleet/contracts';
import { isOutputName } from '@comfy-fleet/frames';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import type { ApiRequest } from '../server/messages.js';
import { owns } from './own-job.js';

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
