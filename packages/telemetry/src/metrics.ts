import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Logger } from './logger.js';
import { version } from './version.js';

export type { Counter, Gauge, Histogram };

/** Before the name of every metric of ours. Those of the process itself have the names that dashboards know. */
const PREFIX = 'comfy_fleet_';

export interface Instrument<L extends string> {
  /** Without the prefix. */
  readonly name: string;
  /** What exactly is counted or measured; it is shown with the metric. */
  readonly help: string;
  /** Only what has few values: an instance, never a job, a key or a path. */
  readonly labels?: readonly L[];
}

/** What one process tells of itself, in the text format of Prometheus. */
export interface Metrics {
  counter<L extends string = never>(instrument: Instrument<L>): Counter<L>;
  gauge<L extends string = never>(instrument: Instrument<L>): Gauge<L>;
  /** `buckets`: see buckets.ts. */
  histogram<L extends string = never>(
    instrument: Instrument<L> & { readonly buckets: readonly number[] },
  ): Histogram<L>;
  /** Has this done before each answer, for what is cheaper to look up than to keep. A failure is logged. */
  beforeScrape(task: () => Promise<void> | void): void;
  readonly contentType: string;
  scrape(): Promise<string>;
}

/** Makes the metrics of a process: those of Node itself, and `build_info`. */
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
        if (outcome.status === 'rejected') log.warn('some metrics could not be read', { error: outcome.reason });
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
