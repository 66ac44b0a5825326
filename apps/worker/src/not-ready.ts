import type { FrameStores } from '@comfy-fleet/frames';
import type { Worker } from './worker.js';

/** Why the process cannot do its work now: what the worker lacks, and what the place of the pictures does. */
export async function notReady(
  worker: Pick<Worker, 'notReady'>,
  stores: Pick<FrameStores, 'fault'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const [reasons, fault] = await Promise.all([worker.notReady(signal), stores.fault(signal)]);
  return fault === undefined ? reasons : [...reasons, fault];
}
