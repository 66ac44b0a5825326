import type { InstanceAnnouncement, WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { PoolOverview } from '@comfy-fleet/jobs';

/** What an operator should know or do about the fleet, in sentences. */
export function fleetNotes(pools: readonly PoolOverview[], workers: readonly WorkerAnnouncement[]): string[] {
  const instances = workers.flatMap((worker) => worker.instances);
  return [
    ...pools
      .filter(({ open, instances: up }) => open > 0 && up === 0)
      .map(({ pool, open }) => `${open} jobs of the pool ${pool} wait, and no instance of it is up.`),
    ...kept(instances, 'cleansOutputs', 'pictures in the output folder', 'COMFYUI_OUTPUT_DIRS'),
    ...kept(instances, 'cleansInputs', 'input pictures', 'COMFYUI_INPUT_DIRS'),
  ];
}

function kept(
  instances: readonly InstanceAnnouncement[],
  cleans: 'cleansOutputs' | 'cleansInputs',
  what: string,
  setting: string,
): string[] {
  const names = instances.filter((instance) => !instance[cleans]).map(({ name }) => name);
  if (names.length === 0) return [];
  return [`Nobody deletes the ${what} of ${names.join(', ')}: set ${setting} for its worker, or see to it yourself.`];
}
