import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ALERT_RULES } from '../src/alerts/rules.js';
import { DISPATCHER_ABSENT } from '../src/alerts/service-rules.js';
import { PROMISED_KEY_SECONDS, PROMISED_SECONDS } from '../src/alerts/waiting-rules.js';

/** What only whoever collects the numbers of all processes can judge. */
const OF_PROMETHEUS = [
  'InstanceFlaps',
  'GpuIdleWhileJobsWait',
  'InstanceLoadsModels',
  'ApiErrors',
  'WebhooksLate',
  'WebhooksGivenUp',
  'RedisDown',
  'RedisSlow',
  'TargetDown',
  'ApiAbsent',
];

interface PrometheusRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}
interface Recording {
  readonly record: string;
  readonly expr: string;
  readonly labels?: { readonly lod?: string };
}

const read = async <T>(name: string): Promise<T[]> => {
  const text = await readFile(new URL(`../../../infra/prometheus/rules/${name}.yml`, import.meta.url), 'utf8');
  return (parse(text) as { groups: { rules: T[] }[] }).groups.flatMap(({ rules }) => rules);
};
const rules = await read<PrometheusRule>('alerts');
const known = [...ALERT_RULES, DISPATCHER_ABSENT];

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400 };
const secondsOf = (duration = '0m') => Number.parseInt(duration, 10) * (UNITS[duration.slice(-1)] ?? Number.NaN);

/** What an expression compares with, but for 0 and 1, with which it asks whether something is so. */
function limitsOf(expr: string): number[] {
  const compared = [...expr.matchAll(/(?:[<>]=?|==)\s*([\d.]+)(?: \* (?=1024))?(?:(1024)?\s*\^\s*(\d))?/g)];
  return compared
    .map(([, factor, base, power]) => {
      if (power === undefined) return Number(factor);
      return base === undefined ? Number(factor) ** Number(power) : Number(factor) * Number(base) ** Number(power);
    })
    .filter((limit) => limit !== 0 && limit !== 1);
}

it('knows each alert of Prometheus, or leaves it to Prometheus', () => {
  const names = [...known.map(({ name }) => name), ...OF_PROMETHEUS];
  expect(names.sort()).toEqual(rules.map(({ alert }) => alert).sort());
});

describe.each(known)('$name', ({ name, severity, holdSeconds, limits, summary }) => {
  const rule = rules.find(({ alert }) => alert === name) as PrometheusRule;

  it('has the severity, the limits and the words of alerts.yml, and is held back as long', () => {
    const words = rule.annotations.summary.replace(/\{\{ \$labels\.(\w+) \}\}/g, '{$1}');
    // One rule looks back where others are held.
    const [, lookBack] = /min_over_time\(.*\[(\w+):/.exec(rule.expr) ?? [];
    expect({ severity, limits, summary, holdSeconds }).toEqual({
      severity: rule.labels.severity,
      limits: limitsOf(rule.expr),
      summary: words,
      holdSeconds: secondsOf(rule.for ?? lookBack),
    });
  });
});

it('promises the waits of recording.yml', async () => {
  const recordings = await read<Recording>('recording');
  const promised = (record: string) => recordings.filter((one) => one.record === `comfy_fleet:${record}`);
  const seconds = ({ expr }: Recording) => Number(/^vector\((\d+)\)$/.exec(expr)?.[1]);
  const byLod = promised('promised_wait_seconds').map((one) => [one.labels?.lod, seconds(one)]);
  expect(Object.fromEntries(byLod)).toEqual(PROMISED_SECONDS);
  expect(promised('promised_key_wait_seconds').map(seconds)).toEqual([PROMISED_KEY_SECONDS]);
});
