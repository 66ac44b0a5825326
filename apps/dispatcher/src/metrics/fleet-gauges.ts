import { fresh, JOB_KINDS, LODS, TERMINAL_STATUSES } from '@comfy-fleet/contracts';
import type { FleetFigures, Keeper } from '@comfy-fleet/jobs';
import type { Metrics } from '@comfy-fleet/telemetry';
import { createShareGauges, createStorageGauges } from './key-gauges.js';

interface FleetGauges {
  readonly metrics: Metrics;
  readonly keeper: Pick<Keeper, 'figures'>;
  /** Bytes free where pictures are stored; undefined: there is no such number. */
  readonly freeBytes: () => Promise<number | undefined>;
  /** Replicas that must have a new job before it is acknowledged; 0: none. */
  readonly replicasWanted: number;
}

/** What was read serves all who ask within this time: two Prometheuses, or a person beside one. */
const FRESH_MS = 1000;
/** Below the 10 s for which Prometheus waits for an answer. */
const DEADLINE_MS = 3000;

const EVERY_TOTAL = JOB_KINDS.flatMap((kind) =>
  LODS.flatMap((lod) => (['created', ...TERMINAL_STATUSES] as const).map((outcome) => ({ kind, lod, outcome }))),
);

/**
 * Shows what is true of the whole fleet, read from Redis when it is asked for. Several dispatchers show the same. While
 * Redis does not answer none of it is shown, rather than what was true before.
 */
export function showFleet({ metrics, keeper, freeBytes, replicasWanted }: FleetGauges): void {
  const gauges = createGauges(metrics);
  const free = metrics.gauge({
    name: 'frames_free_bytes',
    help: 'Bytes free on the volume of the pictures; absent where they are in S3.',
  });
  metrics
    .gauge({
      name: 'redis_replicas_wanted',
      help: 'Replicas that must have a new job before it is acknowledged (REDIS_WAIT_REPLICAS); 0: none.',
    })
    .set(replicasWanted);
  const figures = fresh(FRESH_MS, () => keeper.figures(), DEADLINE_MS);
  metrics.beforeScrape(async () => {
    const now = await figures.now().catch((error: unknown) => {
      gauges.clear();
      throw error;
    });
    // In one turn: two who scrape at once would show each job twice.
    gauges.clear();
    gauges.show(now);
  });
  // Each look at a volume that hangs keeps a thread, so there is one at most.
  const space = fresh(0, freeBytes, DEADLINE_MS);
  metrics.beforeScrape(async () => {
    const bytes = await space.now().catch((error: unknown) => {
      free.remove();
      throw error;
    });
    if (bytes === undefined) free.remove();
    else free.set(bytes);
  });
}

function createGauges(metrics: Metrics) {
  const jobs = metrics.counter({
    name: 'jobs_total',
    help: 'Jobs that were created, and that ended as succeeded, failed, canceled or expired; each once, since ever. Of the whole fleet.',
    labels: ['kind', 'lod', 'outcome'],
  });
  const queue = metrics.gauge({
    name: 'queue_jobs',
    help:
      'Open jobs: waiting (no worker has them), claimed (a worker has them, or ComfyUI behind another prompt), running ' +
      '(executing, or their pictures are being stored), parked (their API key has as many in work as it may, or its files ' +
      'fill its storage share). Of the whole fleet.',
    labels: ['pool', 'lod', 'state'],
  });
  const oldest = metrics.gauge({
    name: 'queue_oldest_seconds',
    help: 'Age of the oldest job that is waiting or claimed, 0 when there is none; parked ones do not count. Of the whole fleet.',
    labels: ['pool', 'lod'],
  });
  const backlog = metrics.gauge({
    name: 'backlog_seconds',
    help:
      'How long one instance would execute the jobs that are waiting or claimed: the sum of what such jobs took lately; ' +
      '10 s for a kind that was never seen. Of the whole fleet.',
    labels: ['pool'],
  });
  const instances = metrics.gauge({
    name: 'pool_instances',
    help: 'Instances that are up, not drained, and whose worker is not stopping. Of the whole fleet.',
    labels: ['pool'],
  });
  const workers = metrics.gauge({
    name: 'workers',
    help: 'Workers that announced themselves within three announcement intervals. Of the whole fleet.',
    labels: ['pool'],
  });
  const poolPaused = metrics.gauge({
    name: 'pool_paused',
    help: '1 while operators have paused the pool, alone or with the whole fleet. Of the whole fleet.',
    labels: ['pool'],
  });
  const paused = metrics.gauge({
    name: 'fleet_paused',
    help: '1 while operators have paused the whole fleet. Of the whole fleet.',
  });
  const drained = metrics.gauge({
    name: 'instance_drained',
    help: '1 while operators have the instance drained: of live workers, and of those that are gone as long as it is drained. Of the whole fleet.',
    labels: ['instance'],
  });
  const slowness = metrics.gauge({
    name: 'instance_slowness',
    help:
      'How many times as long as its peers the instance took lately for like work; 1 while there is nothing to compare. ' +
      'Of the whole fleet.',
    labels: ['instance'],
  });
  const webhooks = metrics.gauge({
    name: 'webhooks_waiting',
    help: 'Webhooks that are not delivered yet, without those in the outbox: due, under way, or to be tried again. Of the whole fleet.',
  });
  const oldestWebhook = metrics.gauge({
    name: 'webhook_oldest_seconds',
    help:
      'How long the oldest webhook has been due that was never tried, 0 when there is none; high when dispatchers are ' +
      'missing or too few. Those that wait for a place at their host do not count. Of the whole fleet.',
  });
  const outbox = metrics.gauge({
    name: 'outbox_entries',
    help: 'Ends of jobs whose webhook no dispatcher has taken up yet. Of the whole fleet.',
  });
  const files = metrics.gauge({
    name: 'frames_files',
    help: 'Pictures by kind (frame, input, derived), as the housekeeping last found them. Of the whole fleet.',
    labels: ['kind'],
  });
  const bytes = metrics.gauge({
    name: 'frames_bytes',
    help: 'Bytes of the pictures by kind (frame, input, derived), as the housekeeping last found them. Of the whole fleet.',
    labels: ['kind'],
  });
  const noEviction = metrics.gauge({
    name: 'redis_noeviction',
    help: '1 if Redis refuses writes when it is full; 0: it would forget jobs.',
  });
  const aof = metrics.gauge({ name: 'redis_aof', help: '1 if Redis keeps an append-only file.' });
  const memory = metrics.gauge({ name: 'redis_memory_bytes', help: 'Memory that Redis uses.' });
  const memoryMax = metrics.gauge({
    name: 'redis_memory_max_bytes',
    help: 'Memory that Redis may use; 0: as much as there is.',
  });
  const replicas = metrics.gauge({
    name: 'redis_replicas',
    help: 'Replicas that follow Redis; those that are still being given its data do not count.',
  });

  const shares = createShareGauges(metrics);
  const storage = createStorageGauges(metrics);
  const steady = steadyCounts();
  const all = [jobs, queue, oldest, backlog, instances, workers, poolPaused, drained, slowness, files, bytes];
  const single = [paused, webhooks, oldestWebhook, outbox, noEviction, aof, memory, memoryMax, replicas];
  return {
    clear: () => {
      for (const metric of all) metric.reset();
      for (const metric of single) metric.remove();
      shares.clear();
      storage.clear();
    },
    show: (figures: FleetFigures) => {
      // What has not happened yet is 0: Prometheus takes the first number that it sees for the beginning, and would not see
      // the first jobs that fail or expire.
      for (const labels of EVERY_TOTAL) jobs.inc(labels, 0);
      for (const { count, ...labels } of figures.totals) jobs.inc(labels, steady(Object.values(labels).join(), count));
      for (const { pool, lanes, ...rest } of figures.pools) {
        for (const { lod, oldestMs, ...states } of lanes) {
          for (const [state, count] of Object.entries(states)) queue.set({ pool, lod, state }, count);
          oldest.set({ pool, lod }, oldestMs / 1000);
        }
        backlog.set({ pool }, rest.backlogMs / 1000);
        instances.set({ pool }, rest.instances);
        workers.set({ pool }, rest.workers);
        poolPaused.set({ pool }, rest.paused ? 1 : 0);
      }
      const names = figures.workers.flatMap((worker) => worker.instances.map(({ name }) => name));
      for (const instance of new Set([...names, ...figures.halts.instances.keys()])) {
        drained.set({ instance }, figures.halts.instances.has(instance) ? 1 : 0);
      }
      for (const instance of names) slowness.set({ instance }, figures.slowness.get(instance) ?? 1);
      shares.show(figures);
      storage.show(figures.storage);
      paused.set(figures.halts.fleet === undefined ? 0 : 1);
      webhooks.set(figures.webhooks.queued);
      oldestWebhook.set(figures.webhooks.oldestMs / 1000);
      outbox.set(figures.webhooks.outbox);
      for (const [kind, stock] of Object.entries(figures.stock ?? {})) {
        files.set({ kind }, stock.files);
        bytes.set({ kind }, stock.bytes);
      }
      noEviction.set(figures.redis.noEviction ? 1 : 0);
      aof.set(figures.redis.aof ? 1 : 0);
      memory.set(figures.redis.memoryBytes);
      memoryMax.set(figures.redis.memoryMaxBytes);
      replicas.set(figures.redis.replicas);
    },
  };
}

/**
 * A Redis that fails over may forget the last of what it counted. To Prometheus a counter that goes down has begun anew, and
 * all that it ever counted is of this minute: so what was shown is shown until the count has come to it again. A count that
 * lost more than half was emptied or restored, and is shown as it is.
 */
export function steadyCounts(): (name: string, count: number) => number {
  const shown = new Map<string, number>();
  return (name, count) => {
    const before = shown.get(name) ?? 0;
    const now = count < before / 2 ? count : Math.max(count, before);
    shown.set(name, now);
    return now;
  };
}
