import { FleetError } from '@comfy-fleet/contracts';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';

/** As often as the housekeeping usually looks for files that may be deleted. */
const RETRY_AFTER_SECONDS = 60;

/** Throws storage_share_exceeded while the caller may store no more files. */
export async function requireStorageShare({ ledger }: Pick<Deps, 'ledger'>, { id }: Pick<Caller, 'id'>): Promise<void> {
  const { bytes, shareBytes, isOver } = await ledger.storage.use(id);
  if (!isOver) return;
  const detail =
    `The storage is full, and the files of this API key have ${bytes} bytes; its share is ${shareBytes}. ` +
    'Delete jobs or assets that are no longer needed, or try again when your files are an hour old: then the oldest make room.';
  throw new FleetError('storage_share_exceeded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}
