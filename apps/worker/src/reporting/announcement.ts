import type { InstanceAnnouncement, WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Lane } from '../instance/lanes.js';

/** What a worker says of itself, see WorkerAnnouncement. */
export function announcement(
  worker: Pick<WorkerAnnouncement, 'name' | 'startedAt' | 'pools' | 'draining' | 'storeFault'>,
  lanes: readonly Lane[],
): WorkerAnnouncement {
  return { ...worker, seenAt: Date.now(), instances: lanes.map(describe) };
}

function describe(lane: Lane): InstanceAnnouncement {
  const { instance, running } = lane;
  const { state, since, reason } = instance.health;
  return {
    name: instance.name,
    pools: instance.pools,
    state,
    since,
    reason,
    rests: instance.health.rests,
    vram: instance.vram,
    drains: lane.drains,
    running: running === undefined ? null : { job: running.record.id, since: running.beganAt ?? Date.now() },
    waiting: lane.waiting.map(({ record }) => record.id),
    collecting: lane.collecting.map(({ record }) => record.id),
    busyShare: Math.round(lane.busy.share(performance.now()) * 1000) / 1000,
    done: lane.done,
    failed: lane.failed,
    checkpoint: instance.checkpoint ?? null,
    cleansOutputs: instance.folders.output !== undefined,
    cleansInputs: instance.folders.input !== undefined,
  };
}
