import { inputName } from '@comfy-fleet/frames';
import type { Deps } from '../deps.js';
import { pieces } from './in-steps.js';
import { withStorageDeadline } from './storage-deadline.js';

/** Keeps a picture that a job is to start from, unless it is there already. Throws storage_failed. */
export async function storeInput(
  { inputs }: Pick<Deps, 'inputs'>,
  { sha256, png }: { readonly sha256: string; readonly png: Buffer },
  caller: AbortSignal,
): Promise<void> {
  const name = inputName(sha256);
  // As young as a new one, or the housekeeping might take it before the job is made.
  if ((await inputs.touch(name)) && (await inputs.stat(name))?.sha256 === sha256) return;
  await withStorageDeadline(caller, (signal) => inputs.put(name, pieces(png), { signal }));
}
