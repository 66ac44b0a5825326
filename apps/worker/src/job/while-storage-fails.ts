import { FleetError } from '@comfy-fleet/contracts';
import { backoffMs } from '../waiting/backoff.js';
import { pause } from '../waiting/pause.js';
import type { HeldJob } from './held-job.js';
import type { Tools } from './tools.js';

/** Between two looks whether a store that took no pictures does again. */
const CLOSED_MS = 500;

/**
 * Repeats a step while the store of the pictures fails. As long as it is known to take none, however long that is: the
 * rendering stays in ComfyUI, and a job is not given up for what operators fix. If it works and only this step fails, at most
 * for a minute. `what` is for the log.
 */
export async function whileStorageFails<T>(
  job: HeldJob,
  what: string,
  { storeRetryMs, store }: Pick<Tools, 'storeRetryMs' | 'store'>,
  signal: AbortSignal,
  step: () => Promise<T>,
): Promise<T> {
  let end = performance.now() + storeRetryMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof FleetError) || error.code !== 'storage_failed') throw error;
      await store.failed();
      if (store.fault === undefined && performance.now() >= end) throw error;
      job.log.warn(`${what} failed; trying again`, { error });
    }
    if (store.fault !== undefined) {
      while (store.fault !== undefined) await pause(CLOSED_MS, signal);
      // What failed until now was not this step's fault.
      end = performance.now() + storeRetryMs;
      attempt = 0;
    } else await pause(Math.min(backoffMs(attempt), Math.max(0, end - performance.now())), signal);
  }
}
