import { FleetError } from '@comfy-fleet/contracts';
import type { HeldJob } from './held-job.js';

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
