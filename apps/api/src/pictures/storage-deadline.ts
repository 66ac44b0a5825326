import { FleetError } from '@comfy-fleet/contracts';

/** Longest that reading or storing one picture may take. */
const STORAGE_MS = 30_000;

/**
 * Runs a step on a frame store with a signal that aborts when the caller is gone or the time is up (storage_failed).
 */
export async function withStorageDeadline<T>(
  caller: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = AbortSignal.timeout(STORAGE_MS);
  try {
    return await step(AbortSignal.any([caller, late]));
  } catch (error) {
    if (caller.aborted || !late.aborted) throw error;
    throw new FleetError('storage_failed', 'The place where pictures are stored is too slow.', { cause: error });
  }
}
