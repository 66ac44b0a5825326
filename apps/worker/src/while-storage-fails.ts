import { FleetError } from '@comfy-fleet/contracts';
import { backoffMs } from './failures.js';
import type { HeldJob } from './held-job.js';
import { pause } from './pause.js';
import type { Tools } from './tools.js';

/**
 * Repeats a step while the place of the pictures fails, at most for STORE_RETRY_SECONDS: a volume that is full, or a bucket
 * that is away, is so for a moment, and neither a rendering nor a job is given up for that. `what` is for the log.
 */
export async function whileStorageFails<T>(
  job: HeldJob,
  what: string,
  { storeRetryMs }: Pick<Tools, 'storeRetryMs'>,
  signal: AbortSignal,
  step: () => Promise<T>,
): Promise<T> {
  const end = performance.now() + storeRetryMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      const worthIt = error instanceof FleetError && error.code === 'storage_failed' && performance.now() < end;
      if (!worthIt) throw error;
      job.log.warn(`${what} failed; trying again`, { error });
    }
    await pause(Math.min(backoffMs(attempt), Math.max(0, end - performance.now())), signal);
  }
}
