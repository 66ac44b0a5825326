import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './container.js';
import { ROOT } from './files.js';
import { METRICS, OF_NODE, seriesOf } from './metrics.js';

export const RULE_FILES = ['recording.yml', 'alerts.yml', 'prometheus-alerts.yml'];

/** Values of gauges in the samples; other gauges are 1, and counters increase. */
const GAUGES: Readonly<Record<string, number>> = {
  comfy_fleet_queue_oldest_seconds: 90,
  comfy_fleet_backlog_seconds: 500,
  comfy_fleet_redis_memory_max_bytes: 4e9,
  comfy_fleet_frames_free_bytes: 1e12,
};

function samples(): readonly { readonly series: string; readonly values: string }[] {
  const written = (name: string, labels: Readonly<Record<string, string>>) =>
    `${name}{${Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`)}}`;
  const ours = Object.entries(METRICS).flatMap(([metric, of]) =>
    seriesOf(metric, of).map(([name, labels]) => {
      // Each bucket counts one more per minute than the bucket below.
      const rate = labels.le === undefined ? 4 : ['0.1', '1', '10', '+Inf'].indexOf(labels.le) + 1;
      const values = of.type === 'gauge' ? `${GAUGES[metric] ?? 1}x20` : `0+${rate}x20`;
      return { series: written(name, labels), values };
    }),
  );
  const ofNode = OF_NODE.map((name) => ({
    series: written(name, { job: 'api', process: 'api-1' }),
    values: name.endsWith('_total') ? '0+1x20' : '1x20',
  }));
  return [...ours, ...ofNode, { series: 'up{job="api",process="api-1"}', values: '1x20' }];
}

/**
 * Lets Prometheus evaluate queries over 15 minutes of samples of all metrics and rules. Rejects with the queries that fail,
 * return nothing, or return NaN.
 */
export async function evaluate(queries: readonly string[]): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-promql-'));
  const one = [{ labels: '{}', value: 1 }];
  const test = {
    interval: '1m',
    input_series: samples(),
    promql_expr_test: queries.flatMap((query) => [
      { expr: `count(${query}) > bool 0`, eval_time: '15m', exp_samples: one },
      // NaN is not equal to itself.
      { expr: `count((${query}) == (${query})) == bool count(${query})`, eval_time: '15m', exp_samples: one },
    ]),
  };
  try {
    // JSON is YAML
    const suite = {
      rule_files: RULE_FILES.map((name) => join(ROOT, 'infra/prometheus/rules', name)),
      evaluation_interval: '1m',
      group_eval_order: ['comfy-fleet-recording'],
      tests: [test],
    };
    await writeFile(join(dir, 'queries.yml'), JSON.stringify(suite));
    await run('promtool', ['test', 'rules', join(dir, 'queries.yml')]);
  } finally {
    await rm(dir, { recursive: true });
  }
}
