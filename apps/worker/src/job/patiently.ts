import { OutputMissing } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import type { Slot } from '../slots/slots.js';
import { pause } from '../waiting/pause.js';
import type { HeldJob } from './held-job.js';

const RETRY_MS = 250;
/**
 * Repeats a call while the instance cannot be reached or answers nonsense; a job that ComfyUI may be working on is not
 * given up for one lost packet. Throws prompt_lost after the job's patience, any other error at once.
 */
export async function patiently<T>(
  job: HeldJob,
  call: () => Promise<T>,
  {
    signal = job.signal,
    onOutage,
  }: { signal?: AbortSignal; onOutage?: ((error: FleetError) => Promise<void>) | undefined } = {},
): Promise<T> {
  const end = performance.now() + job.patienceMs;
  let silence: { readonly stage: Slot['stage'] } | undefined;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof FleetError) || !isPassing(error)) throw error;
      if (error.code === 'instance_unreachable') await onOutage?.(error);
      // Later, the jobs before this one may have left the instance.
      silence ??= { stage: job.slot.stage };
      if (performance.now() > end) {
        const { stage } = silence;
        if (stage !== undefined && error.code === 'instance_unreachable') job.lostToSilence(stage);
        const detail = `The instance ${job.instance.name} could not be asked for ${job.patienceMs / 1000} s while it had the prompt: ${error.detail}`;
        throw new FleetError('prompt_lost', detail, { cause: error });
      }
    }
    await pause(RETRY_MS, signal);
  }
}

/** What may be over in a moment; a file that is gone stays so. */
function isPassing(error: FleetError): boolean {
  return !(error instanceof OutputMissing) && (error.code === 'instance_unreachable' || error.code === 'comfyui_error');
}
