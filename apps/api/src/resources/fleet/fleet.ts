import {
  type Drain,
  type EncodeAhead,
  type FleetStatus,
  type InstanceAnnouncement,
  isoTime,
  type WorkerAnnouncement,
} from '@comfy-fleet/contracts';
import {
  type FleetOverview,
  type Halt,
  type Halts,
  instancesServing,
  type KeyShare,
  type PoolOverview,
  topShares,
  type WaitingModels,
} from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import type { Handler } from '../../server/messages.js';
import { fleetNotes } from './notes.js';

type Pool = FleetStatus['pools'][number];
type Worker = FleetStatus['workers'][number];

const MOST_SHARES = 100;
const MOST_WAITING_MODELS = 50;

/** Shows operators the current workers, instances and pools. */
export function fleet({ ledger }: Deps): Handler {
  return async () => {
    const { overview, shares, waitingModels } = await ledger.fleet.details();
    const { workers, halts, now } = overview;
    const pools = overview.pools.map((pool, n): Pool => {
      const instances = instancesServing(workers, pool.pool);
      const waiting_for_models = presentWaitingModels(waitingModels[n] ?? [], { instances, now });
      return { ...presentPool(pool, halts), waiting_for_models };
    });
    const body: FleetStatus = {
      paused: halts.fleet === undefined ? null : presentHalt(halts.fleet),
      pools,
      workers: workers.map((worker) => presentWorker(worker, overview)),
      shares: presentShares(shares),
      notes: fleetNotes(overview),
    };
    return { status: 200, body };
  };
}

function presentPool({ pool, open, waiting, running, instances, backlog }: PoolOverview, halts: Halts) {
  const paused = halts.fleet ?? halts.pools.get(pool);
  const isKnown = backlog.jobs > 0 && instances > 0;
  return {
    name: pool,
    open,
    waiting,
    running,
    paused: paused === undefined ? null : presentHalt(paused),
    instances,
    backlog_seconds: open === 0 ? 0 : isKnown ? seconds(backlog.ms / instances) : null,
  };
}

export function presentWorker(worker: WorkerAnnouncement, overview: FleetOverview): Worker {
  const { name, startedAt, seenAt, pools, draining, storeFault, instances } = worker;
  return {
    name,
    started_at: isoTime(startedAt),
    seen_at: isoTime(seenAt),
    pools: [...pools],
    draining,
    storage_fault: storeFault ? { reason: storeFault.reason, since: isoTime(storeFault.since) } : null,
    instances: instances.map((instance) => presentInstance(instance, overview)),
  };
}

function presentInstance(
  instance: InstanceAnnouncement,
  { halts, slowness }: FleetOverview,
): Worker['instances'][number] {
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
    encode_ahead: instance.encodeAhead === undefined ? null : presentEncodeAhead(instance.encodeAhead),
  };
}

function presentEncodeAhead(encodeAhead: EncodeAhead): Worker['instances'][number]['encode_ahead'] {
  const { state, text } = encodeAhead;
  const saves = state === 'on' ? seconds(encodeAhead.savesMs) : null;
  return { state, saves_seconds_per_job: saves, why: state === 'off' ? encodeAhead.why : null, text };
}

/** The progress of an instance's drain; null for an instance that takes jobs. */
export function drainOf(instance: InstanceAnnouncement, { instances }: Halts): Drain | null {
  const halt = instances.get(instance.name);
  if (halt === undefined) return null;
  const { drains, running, waiting, collecting } = instance;
  // Until its worker knows of the drain, the instance may be about to get a job.
  const isEmpty = drains && running === null && waiting.length === 0 && collecting.length === 0;
  return { state: isEmpty ? 'drained' : 'draining', ...presentHalt(halt) };
}

export function presentHalt({ since, by }: Halt): { since: string; by: string } {
  return { since: isoTime(since), by };
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}

/** The keys' shares of the GPU time: the keys that used most of it, and the keys that have waited longest. */
export function presentShares(shares: readonly KeyShare[]): FleetStatus['shares'] {
  const rounded = (share: number) => Math.round(share * 10_000) / 10_000;
  return topShares(shares, MOST_SHARES).map((share) => ({
    key: share.key,
    weight: share.weight,
    gpu_seconds_minute: seconds(share.gpuMsMinute),
    gpu_seconds_hour: seconds(share.gpuMsHour),
    share_minute: rounded(share.shareMinute),
    share_hour: rounded(share.shareHour),
    fair_share: rounded(share.fairShare),
    waiting: share.waiting,
    oldest_wait_seconds: share.waiting === 0 ? null : seconds(share.oldestWaitMs),
  }));
}

/** The models that jobs wait for, most jobs first, and the instances of the pool that hold all of them. */
export function presentWaitingModels(
  waiting: readonly WaitingModels[],
  { instances, now }: { readonly instances: readonly InstanceAnnouncement[]; readonly now: number },
): Pool['waiting_for_models'] {
  return waiting.slice(0, MOST_WAITING_MODELS).map(({ workflow, models, jobs, oldestAt }) => ({
    workflow,
    models: [...models],
    jobs,
    oldest_wait_seconds: oldestAt === undefined ? null : Math.max(0, seconds(now - oldestAt)),
    held_by: instances
      .filter((instance) => models.every((file) => instance.models?.includes(file)))
      .map(({ name }) => name),
  }));
}
