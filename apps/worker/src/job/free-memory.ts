import { isMemoryType } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import type { HeldJob } from './held-job.js';

/** The GPU ran out of memory by the type of the exception. The words of a message may be the caller's, and prove nothing. */
export function ranOutOfMemory(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'out_of_memory' && isMemoryType(error.exception?.type ?? '');
}

/** Has the instance of a job forget its models. One that broke off the connection keeps nothing for long. */
export async function freeMemory({
  instance,
  signal,
  log,
}: Pick<HeldJob, 'instance' | 'signal' | 'log'>): Promise<void> {
  try {
    await instance.ask((client) => client.free({ unloadModels: true, freeMemory: true }, signal));
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== 'instance_unreachable') throw error;
    log.debug('the memory of the instance could not be freed', { error });
  }
  instance.models.forget();
}
