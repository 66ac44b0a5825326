import type { FleetStatus, InstanceAnnouncement, WorkerAnnouncement } from '@comfy-fleet/contracts';
import { type FleetOverview, type Halts, instancesServing, type PoolOverview } from '@comfy-fleet/jobs';
import { classesOf } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { drainOf, presentHalt } from '../../fleet/drain.js';
import { findMismatches } from '../../fleet/mismatches.js';
import { fleetNotes } from '../../fleet/notes.js';
import { presentShares } from '../../fleet/shares.js';
import { presentWaitingModels } from '../../fleet/waiting-models.js';
import type { Handler } from '../../server/messages.js';

/** Workers, instances and pools as they are now, for operators. */
export function fleet({ ledger, workflows }: Deps): Handler {
  return async () => {
    const [overview, scheduling] = await Promise.all([ledger.fleet.overview(), ledger.fleet.scheduling()]);
    const { pools, workers, halts } = overview;
    const body: FleetStatus = {
      paused: halts.fleet === undefined ? null : presentHalt(halts.fleet),
      pools: await Promise.all(
        pools.map(async (pool) => ({
          ...presentPool(pool, halts, await liveAbilities(pool.pool, workers)),
          waiting_for_models: presentWaitingModels(scheduling.waitingModels.get(pool.pool) ?? [], {
            instances: instancesServing(workers, pool.pool),
            now: scheduling.now,
          }),
        })),
      ),
      workers: workers.map((worker) => presentWorker(worker, overview)),
      shares: presentShares(scheduling.shares),
      notes: fleetNotes(overview),
    };
    return { status: 200, body };
  };

  async function liveAbilities(pool: string, workers: readonly WorkerAnnouncement[]) {
    const live = new Set(instancesServing(workers, pool).map(({ name }) => name));
    // Where instances differ in what no workflow uses, nothing is wrong.
    const known = await ledger.fleet.abilities(pool, classesOf(workflows.byName.values()));
    return known.filter(({ instance }) => live.has(instance));
  }
}

function presentPool(
  { pool, open, waiting, running, instances, backlog }: PoolOverview,
  halts: Halts,
  abilities: Parameters<typeof findMismatches>[0],
): Omit<FleetStatus['pools'][number], 'waiting_for_models'> {
  const paused = halts.fleet ?? halts.pools.get(pool);
  const idle = open === 0;
  const known = backlog.jobs > 0 && instances > 0;
  return {
    name: pool,
    open,
    waiting,
    running,
    paused: paused === undefined ? null : presentHalt(paused),
    instances,
    backlog_seconds: idle ? 0 : known ? Math.round(backlog.ms / instances / 100) / 10 : null,
    mismatches: findMismatches(abilities),
  };
}

function presentWorker(worker: WorkerAnnouncement, overview: FleetOverview): FleetStatus['workers'][number] {
  const { name, startedAt, seenAt, pools, draining, storeFault, instances } = worker;
  const times = { started_at: isoTime(startedAt), seen_at: isoTime(seenAt) };
  return {
    name,
    ...times,
    pools: [...pools],
    draining,
    storage_fault: storeFault ? { reason: storeFault.reason, since: isoTime(storeFault.since) } : null,
    instances: instances.map((instance) => presentInstance(instance, overview)),
  };
}

function presentInstance(
  instance: InstanceAnnouncement,
  { halts, slowness }: FleetOverview,
): FleetStatus['workers'][number]['instances'][number] {
  const { name, pools, state, since, reason, vram, running, checkpoint } = instance;
  return {
    name,
    pools: [...pools],
    state,
    since: isoTime(since),
    reason,
    rests: instance.rests.map(({ scope, until, code, error }) => ({
      workflow: scope.workflow ?? null,
      checkpoint: scope.checkpoint ?? null,
      one_key: scope.key !== undefined,
      until: isoTime(until),
      code,
      error,
    })),
    slowness: slowness.get(name) ?? null,
    drain: drainOf(instance, halts),
    vram_bytes: vram === 0 ? null : vram,
    running: running === null ? null : { job: running.job, since: isoTime(running.since) },
    waiting: [...instance.waiting],
    collecting: [...instance.collecting],
    busy_share: instance.busyShare,
    jobs_done: instance.done,
    jobs_failed: instance.failed,
    checkpoint,
    models: [...instance.models],
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
