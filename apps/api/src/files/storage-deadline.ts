import { FleetError, joinSignals } from '@comfy-fleet/contracts';

/** Longest that reading or storing one picture may take. */
const STORAGE_MS = 30_000;

/**
 * Runs a step on a frame store with a signal that aborts when the caller is gone or the time is up (storage_failed).
 */
export async function withStorageDeadline<T>(
  caller: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const reason = () => new FleetError('storage_failed', 'The place where pictures are stored is too slow.');
  const { signal, end } = joinSignals([caller], { ms: STORAGE_MS, reason });
  try {
    return await step(signal);
  } catch (error) {
    throw !caller.aborted && signal.aborted ? signal.reason : error;
  } finally {
    end();
  }
}
