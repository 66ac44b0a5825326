import type { FleetStatus, InstanceAnnouncement } from '@comfy-fleet/contracts';
import type { WaitingModels } from '@comfy-fleet/jobs';

const MOST_SHOWN = 50;

/** What waits for which models, most jobs first, and which of the pool's instances hold all of them. */
export function presentWaitingModels(
  waiting: readonly WaitingModels[],
  { instances, now }: { readonly instances: readonly InstanceAnnouncement[]; readonly now: number },
): FleetStatus['pools'][number]['waiting_for_models'] {
  return waiting.slice(0, MOST_SHOWN).map(({ workflow, models, jobs, oldestAt }) => ({
    workflow,
    models: [...models],
    jobs,
    oldest_wait_seconds: oldestAt === undefined ? null : Math.max(0, Math.round((now - oldestAt) / 100) / 10),
    held_by: instances
      .filter((instance) => models.every((file) => instance.models?.includes(file)))
      .map(({ name }) => name),
  }));
}
