import { fresh, JOB_KINDS, LODS, TERMINAL_STATUSES } from '@comfy-fleet/contracts';
import { ALERT_RULES, type Alerts, type FleetFigures, type Housekeeper } from '@comfy-fleet/jobs';
import type { Metrics } from '@comfy-fleet/telemetry';
import { createShareGauges, createStorageGauges } from './key-gauges.js';

const NO_SUBJECT = { instance: '', pool: '', lod: '', key: '', code: '' };

interface FleetGauges {
  readonly metrics: Metrics;
  readonly keeper: Pick<Housekeeper, 'figures' | 'alerts'>;
  /** Free bytes of the pictures' volume; undefined for a bucket. */
  readonly freeBytes: () => Promise<number | undefined>;
}

/** Scrapes within this time share one reading, for example those of two Prometheus servers. */
const FRESH_MS = 1000;
/** Less than the 10 s scrape timeout of Prometheus. */
const DEADLINE_MS = 3000;

const EVERY_TOTAL = JOB_KINDS.flatMap((kind) =>
  LODS.flatMap((lod) => (['created', ...TERMINAL_STATUSES] as const).map((outcome) => ({ kind, lod, outcome }))),
);

/**
 * Exports metrics of the whole fleet, read from Redis at each scrape; all dispatchers export the same. While Redis does not
 * answer, they are absent rather than out of date.
 */
export function showFleet({ metrics, keeper, freeBytes }: FleetGauges): void {
  const gauges = createGauges(metrics);
  const free = metrics.gauge({
    name: 'frames_free_bytes',
    help: 'Free bytes on the volume of the pictures; absent if they are in S3.',
  });
  const figures = fresh(FRESH_MS, () => Promise.all([keeper.figures(), keeper.alerts()]), DEADLINE_MS);
  metrics.beforeScrape(async () => {
    const now = await figures.now().catch((error: unknown) => {
      gauges.clear();
      throw error;
    });
    // Clear and set without awaiting in between, or concurrent scrapes would count each job twice.
    gauges.clear();
    gauges.show(...now);
  });
  // A request to a hanging volume blocks a thread, so make only one at a time.
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
    help: 'Jobs that were created, and that ended as succeeded, failed, canceled or expired, each counted once. Of the whole fleet.',
    labels: ['kind', 'lod', 'outcome'],
  });
  const queue = metrics.gauge({
    name: 'queue_jobs',
    help:
      'Open jobs: waiting (no worker has them), claimed (a worker has them, or they wait in ComfyUI behind another prompt), ' +
      'running (executing, or storing their pictures), parked (their API key has reached its limit of running jobs, or its ' +
      'files fill its storage share). Of the whole fleet.',
    labels: ['pool', 'lod', 'state'],
  });
  const oldest = metrics.gauge({
    name: 'queue_oldest_seconds',
    help: 'Age of the oldest job that is waiting or claimed, 0 if there is none; parked ones do not count. Of the whole fleet.',
    labels: ['pool', 'lod'],
  });
  const backlog = metrics.gauge({
    name: 'backlog_seconds',
    help:
      'How long one instance would take to execute all jobs that are waiting or claimed, estimated from recent jobs of their ' +
      'kinds; 10 s for a kind that was never seen. Of the whole fleet.',
    labels: ['pool'],
  });
  const instances = metrics.gauge({
    name: 'pool_instances',
    help: 'Instances that are up, not drained, and whose worker is not stopping. Of the whole fleet.',
    labels: ['pool'],
  });
  const workers = metrics.gauge({
    name: 'workers',
    help: 'Workers that announced themselves within the last three announcement intervals. Of the whole fleet.',
    labels: ['pool'],
  });
  const poolPaused = metrics.gauge({
    name: 'pool_paused',
    help: '1 while the pool is paused, by itself or with the whole fleet. Of the whole fleet.',
    labels: ['pool'],
  });
  const paused = metrics.gauge({
    name: 'fleet_paused',
    help: '1 while the whole fleet is paused. Of the whole fleet.',
  });
  const drained = metrics.gauge({
    name: 'instance_drained',
    help: '1 while the instance is drained, even if its worker is gone. Of the whole fleet.',
    labels: ['instance'],
  });
  const webhooks = metrics.gauge({
    name: 'webhooks_waiting',
    help: 'Webhooks that are due, under way, or waiting to be retried, without those in the outbox. Of the whole fleet.',
  });
  const oldestWebhook = metrics.gauge({
    name: 'webhook_oldest_seconds',
    help:
      'How long the oldest webhook without an attempt has been due, 0 if there is none; high if there are too few ' +
      'dispatchers. Those held back by the host limit do not count. Of the whole fleet.',
  });
  const outbox = metrics.gauge({
    name: 'outbox_entries',
    help: 'Ended jobs whose webhook no dispatcher has picked up yet. Of the whole fleet.',
  });
  const failingModels = metrics.gauge({
    name: 'models_failing',
    help:
      'Copies of registered models that could not be fetched, by fault, without those that callers named by URL. Of the ' +
      'whole fleet.',
    labels: ['code'],
  });
  const files = metrics.gauge({
    name: 'frames_files',
    help: 'Files by kind (frame, input, derived) at the last housekeeping. Of the whole fleet.',
    labels: ['kind'],
  });
  const bytes = metrics.gauge({
    name: 'frames_bytes',
    help: 'Bytes of files by kind (frame, input, derived) at the last housekeeping. Of the whole fleet.',
    labels: ['kind'],
  });
  const alerts = metrics.gauge({
    name: 'alert',
    help:
      '1 for each subject for which the condition of an alert holds, also if it has not held for long enough to be active, else 0; ' +
      'judged every 15 s. Of the whole fleet.',
    labels: ['alert', 'instance', 'pool', 'lod', 'key', 'code'],
  });
  const noEviction = metrics.gauge({
    name: 'redis_noeviction',
    help: '1 if Redis refuses writes when it is full; 0 if it would delete jobs.',
  });
  const aof = metrics.gauge({ name: 'redis_aof', help: '1 if Redis keeps an append-only file.' });
  const memory = metrics.gauge({ name: 'redis_memory_bytes', help: 'Memory that Redis uses.' });
  const memoryMax = metrics.gauge({
    name: 'redis_memory_max_bytes',
    help: 'Memory that Redis may use; 0 if unlimited.',
  });

  const shares = createShareGauges(metrics);
  const storage = createStorageGauges(metrics);
  const steady = steadyCounts();
  const all = [
    jobs,
    queue,
    oldest,
    backlog,
    instances,
    workers,
    poolPaused,
    drained,
    failingModels,
    files,
    bytes,
    alerts,
  ];
  const single = [paused, webhooks, oldestWebhook, outbox, noEviction, aof, memory, memoryMax];
  return {
    clear: () => {
      for (const metric of all) metric.reset();
      for (const metric of single) metric.remove();
      shares.clear();
      storage.clear();
    },
    show: (figures: FleetFigures, { found }: Pick<Alerts, 'found'>) => {
      for (const { name } of ALERT_RULES) alerts.set({ alert: name, ...NO_SUBJECT }, 0);
      for (const { name, subject } of found) alerts.set({ alert: name, ...NO_SUBJECT, ...subject }, 1);
      // Export zeros too: Prometheus counts increases from the first value that it sees, so it would miss the first jobs that
      // fail or expire.
      for (const labels of EVERY_TOTAL) jobs.inc(labels, 0);
      for (const { count, ...labels } of figures.totals) jobs.inc(labels, steady(Object.values(labels).join(), count));
      for (const { pool, lods: lanes, ...rest } of figures.pools) {
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
      shares.show(figures);
      storage.show(figures.storage);
      paused.set(figures.halts.fleet === undefined ? 0 : 1);
      webhooks.set(figures.webhooks.queued);
      oldestWebhook.set(figures.webhooks.oldestMs / 1000);
      outbox.set(figures.webhooks.outbox);
      for (const [code, count] of figures.modelFaults) failingModels.set({ code }, count);
      for (const [kind, stock] of Object.entries(figures.storage.kinds)) {
        files.set({ kind }, stock.files);
        bytes.set({ kind }, stock.bytes);
      }
      noEviction.set(figures.redis.evictionPolicy === 'noeviction' ? 1 : 0);
      aof.set(figures.redis.aof ? 1 : 0);
      memory.set(figures.redis.memoryBytes);
      memoryMax.set(figures.redis.memoryMaxBytes);
    },
  };
}

/**
 * A failover of Redis may lose the latest counts. Prometheus takes a counter that goes down for a reset, and would count the
 * whole value as new. So we keep exporting the higher value until the count has caught up. A count that dropped by more than
 * half was emptied or restored, and is exported as it is.
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
