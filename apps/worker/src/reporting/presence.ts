import type { InstanceAnnouncement, WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Slots } from '../slots/slots.js';
import type { StoreWatch } from '../store-watch.js';

/** Announces this worker to the others and reads their announcements. */
export interface Presence {
  /** Waits until no other process uses this worker's name. The worker is announced only after that. */
  takeName(signal: AbortSignal): Promise<void>;
  /** Call it repeatedly: the others forget a worker that is silent. */
  announce(): Promise<void>;
  /** Fresh state for this worker, last announcements for the others. */
  workers(): Promise<readonly WorkerAnnouncement[]>;
}

interface PresenceOptions {
  readonly worker: Pick<WorkerAnnouncement, 'name' | 'pools' | 'ports'>;
  readonly allSlots: readonly Slots[];
  readonly store: Pick<StoreWatch, 'fault'>;
  readonly shared: WorkerLedger['presence'];
  readonly onNameTaken: () => void;
  /** Aborts when no more jobs may begin. */
  readonly stopping: AbortSignal;
  /** Aborts when running jobs must stop. */
  readonly ending: AbortSignal;
  readonly log: Logger;
}

/** Changes in the health of its instances are announced at once, because other workers read them when a job fails. */
export function createPresence(options: PresenceOptions): Presence {
  const { worker, allSlots, store, shared, onNameTaken, stopping, ending, log } = options;
  const startedAt = Date.now();
  let hasName = false;

  const now = (): WorkerAnnouncement => ({
    ...worker,
    startedAt,
    draining: stopping.aborted,
    storeFault: store.fault ?? null,
    seenAt: Date.now(),
    instances: allSlots.map(describe),
  });
  const announce = async () => {
    if (!(await shared.announce(now()))) onNameTaken();
  };
  const announceSoon = () => {
    if (!hasName || ending.aborted) return;
    announce().catch((error: unknown) => log.debug('could not announce this worker', { error }));
  };
  for (const { instance } of allSlots) {
    instance.events.on('health', announceSoon);
    instance.events.on('rests', announceSoon);
  }

  return {
    takeName: async (signal) => {
      await shared.takeName(signal);
      hasName = true;
    },
    announce,
    workers: async () => [now(), ...(await shared.workers()).filter(({ name }) => name !== worker.name)],
  };
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
    done: slots.ended.succeeded,
    failed: slots.ended.failed,
    checkpoint: models.find((file) => file === meter.checkpoint) ?? null,
    models,
    cleansOutputs: instance.folders.output !== undefined,
    cleansInputs: instance.folders.input !== undefined,
    exposures: instance.exposures,
    paces: slots.paces.telling,
    encodeAhead: instance.encodeAhead.state,
  };
}
