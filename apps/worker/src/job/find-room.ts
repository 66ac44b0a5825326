import type { Tools } from '../tools.js';
import type { HeldJob } from './held-job.js';

export type Room = 'here' | 'elsewhere' | 'nowhere';

/**
 * Where a job goes that the GPU ran out of memory under: after the first time once more to the same instance, its
 * memory freed; after the second to the instance of the pool that has most, if that is another; then nowhere.
 */
export async function findRoom(job: HeldJob, { largestVram }: Tools): Promise<Room> {
  if (job.ooms === 1) {
    await job.instance.ask((client) => client.free({ unloadModels: true, freeMemory: true }, job.signal));
    job.instance.loaded(undefined);
    return 'here';
  }
  return job.ooms === 2 && job.instance.vram < (await largestVram(job.record.pool)) ? 'elsewhere' : 'nowhere';
}
