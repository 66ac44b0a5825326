import type { InstanceAnnouncement, WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Slots } from '../slots/slots.js';

/** What a worker says of itself, see WorkerAnnouncement. */
export function announcement(
  worker: Pick<WorkerAnnouncement, 'name' | 'startedAt' | 'pools' | 'draining' | 'storeFault' | 'ports'>,
  allSlots: readonly Slots[],
): WorkerAnnouncement {
  return { ...worker, seenAt: Date.now(), instances: allSlots.map(describe) };
}

function describe(slots: Slots): InstanceAnnouncement {
  const { instance, running, meter } = slots;
  const { state, since, reason } = instance.health;
  const { files: models } = instance.models;
  return {
    name: instance.name,
    pools: instance.pools,
    state,
    since,
    reason,
    rests: instance.health.rests,
    vram: instance.vram,
    ...(instance.machine === undefined ? {} : { machine: instance.machine }),
    drains: slots.drains,
    running:
      running === undefined ? null : { job: running.record.id, since: running.submission?.beganAt ?? Date.now() },
    waiting: slots.waiting.map(({ record }) => record.id),
    collecting: slots.collecting.map(({ record }) => record.id),
    busyShare: Math.round(meter.busy.share(performance.now()) * 1000) / 1000,
    done: slots.done,
    failed: slots.failed,
    checkpoint: models.find((file) => file === meter.checkpoint) ?? null,
    models,
    cleansOutputs: instance.folders.output !== undefined,
    cleansInputs: instance.folders.input !== undefined,
    exposures: instance.exposures,
  };
}
