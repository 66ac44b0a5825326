import { FleetError } from '@comfy-fleet/contracts';
import type { HeldJob } from './held-job.js';
import { pause } from './pause.js';

const RETRY_MS = 250;
/** How long a prompt is waited for on an instance that cannot be reached. A ComfyUI restart takes 4 s (recorded). */
const UNREACHABLE_MS = 30_000;

/**
 * Repeats a call while the instance cannot be reached; a job that ComfyUI may be working on is not given up for one lost
 * packet. Throws prompt_lost after UNREACHABLE_MS, any other error at once.
 */
export async function patiently<T>(
  job: HeldJob,
  call: () => Promise<T>,
  { signal = job.signal, onOutage }: { signal?: AbortSignal; onOutage?: (() => void) | undefined } = {},
): Promise<T> {
  const end = performance.now() + UNREACHABLE_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof FleetError) || error.code !== 'instance_unreachable') throw error;
      onOutage?.();
      if (performance.now() > end) {
        const detail = `The instance ${job.instance.name} could not be reached for ${UNREACHABLE_MS / 1000} s while it had the prompt.`;
        throw new FleetError('prompt_lost', detail, { cause: error });
      }
    }
    await pause(RETRY_MS, signal);
  }
}
