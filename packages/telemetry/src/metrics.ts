import { createRequire } from 'node:module';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Logger } from './logger.js';

export type { Counter, Gauge, Histogram };

/** The prefix of our metrics. Those of the process keep the names that dashboards know. */
const PREFIX = 'comfy_fleet_';

export interface Instrument<L extends string> {
  /** Without the prefix. */
  readonly name: string;
  /** What exactly is counted or measured; shown with the metric. */
  readonly help: string;
  /** Only labels with few values: an instance, never a job, a key or a path. */
  readonly labels?: readonly L[];
}

/** The metrics of one process, in the text format of Prometheus. */
export interface Metrics {
  counter<L extends string = never>(instrument: Instrument<L>): Counter<L>;
  gauge<L extends string = never>(instrument: Instrument<L>): Gauge<L>;
  /** `buckets` are constants like RUN_BUCKETS. */
  histogram<L extends string = never>(
    instrument: Instrument<L> & { readonly buckets: readonly number[] },
  ): Histogram<L>;
  /**
   * Registers a task that runs before each scrape, for values that are cheaper to look up than to maintain. A failure
   * is logged.
   */
  beforeScrape(task: () => Promise<void> | void): void;
  readonly contentType: string;
  scrape(): Promise<string>;
}

/** Creates the metrics of a process, with those of Node and `build_info`. */
export function createMetrics({ service, log }: { readonly service: string; readonly log: Logger }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const tasks: (() => Promise<void> | void)[] = [];
  collectDefaultMetrics({ register: registry });
  const common = <L extends string>({ name, help, labels = [] }: Instrument<L>) => ({
    name: `${PREFIX}${name}`,
    help,
    labelNames: labels,
    registers,
  });
  const metrics: Metrics = {
    counter: (instrument) => new Counter(common(instrument)),
    gauge: (instrument) => new Gauge(common(instrument)),
    histogram: (instrument) => new Histogram({ ...common(instrument), buckets: [...instrument.buckets] }),
    beforeScrape: (task) => {
      tasks.push(task);
    },
    contentType: registry.contentType,
    scrape: async () => {
      for (const outcome of await Promise.allSettled(tasks.map(async (task) => task()))) {
        if (outcome.status === 'rejected') log.warn('could not read some metrics', { error: outcome.reason });
      }
      return registry.metrics();
    },
  };
  metrics
    .gauge({
      name: 'build_info',
      help: 'Always 1; the labels say which service of which version runs on which Node.js.',
      labels: ['service', 'version', 'node'],
    })
    .set({ service, version: version(), node: process.version }, 1);
  return metrics;
}

/** Set in bundles by infra/build/build.mjs, because images do not have the root package.json. */
declare const COMFY_FLEET_VERSION: string | undefined;

/** The version in the root package.json; the packages have none of their own. */
export function version(): string {
  if (typeof COMFY_FLEET_VERSION !== 'undefined') return COMFY_FLEET_VERSION;
  const manifest: { version: string } = createRequire(import.meta.url)('../../../package.json');
  return manifest.version;
}

/**
 * Upper bounds of histograms, in seconds: about twelve each, because every bound is a time series per combination of
 * labels. They are dense near the targets, so that quantiles there are exact.
 */

/**
 * An answer from Redis takes 1 ms or so; a plain 202 some ms; a picture or a batch up to a second; `?wait=` up to 60 s.
 */
export const HTTP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 65];

/** 0.1 ms on one machine, 0.5 ms in one data centre; REDIS_TIMEOUT_MS is 0.8 s. */
export const REDIS_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.8, 2];

/** A sketch is awaited for seconds, a final for minutes; MAX_QUEUED_SECONDS is a day. */
export const WAIT_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14_400, 86_400];

/** Eight steps of a small picture take half a second; forty steps of eight large ones take minutes. */
export const RUN_BUCKETS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900];

/**
 * A picture is some MB: ms over loopback, seconds into a distant bucket; storing to a full volume is retried for a
 * minute.
 */
export const COLLECT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60];

/** Some ms between two prompts that wait in ComfyUI; a claim, a submission and their syncs would take 100. */
export const GAP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

/** WEBHOOK_TIMEOUT_MS is 10 s. */
export const WEBHOOK_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * Immediate if all is well; the retries of WEBHOOK_RETRY_SECONDS come after 5, 35, 155, 755, 2,555, 6,155 and 13,355 s.
 */
export const WEBHOOK_LAG_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 40, 160, 800, 2600, 6200, 14_400];
