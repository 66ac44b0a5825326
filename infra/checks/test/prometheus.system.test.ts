import { readdir } from 'node:fs/promises';
import { parser } from '@prometheus-io/lezer-promql';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { run } from './support/container.js';
import { ROOT, textOf } from './support/files.js';
import { METRICS, OF_NODE, OF_SCRAPE, seriesOf } from './support/metrics.js';
import { evaluate, RULE_FILES } from './support/promtool.js';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const dir = `${ROOT}/infra/prometheus`;
const rulesOf = async (name: string) => {
  const { groups } = parse(await textOf(`infra/prometheus/rules/${name}`)) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
};
const rules = (await Promise.all(RULE_FILES.map(rulesOf))).flat();
const recorded = rules.filter(({ record }) => record !== undefined);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const runbook = await textOf('docs/runbook.md');
const dashboard = JSON.parse(await textOf('infra/grafana/dashboards/fleet.json')) as object;

/** The names of our series, without those that rules record. */
const exported = new Set(
  Object.entries(METRICS).flatMap(([name, metric]) => seriesOf(name, metric).map(([series]) => series)),
);
const known = new Set([...exported, ...OF_NODE, 'up', 'ALERTS', ...recorded.map(({ record }) => record ?? '')]);
const labels = new Set([
  ...Object.values(METRICS).flatMap((metric) => Object.keys(metric.labels)),
  ...OF_SCRAPE,
  'le',
  'alertstate',
]);

/** Every `expr` in a dashboard, and the queries of its variables. */
function queriesIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'expr' && typeof inner === 'string') return [inner];
    const variable = key === 'query' && typeof inner === 'string' ? /^label_values\((.+), (\w+)\)$/.exec(inner) : null;
    if (variable !== null) return [`count by (${variable[2]}) (${variable[1]})`];
    return queriesIn(inner);
  });
}

/** Replaces variables like Grafana. */
const filled = (query: string) => query.replaceAll('$pool', '.*').replaceAll('$__rate_interval', '5m');
const queries = queriesIn(dashboard).map(filled);

interface Query {
  /** False if Prometheus cannot parse it. */
  readonly valid: boolean;
  readonly metrics: readonly string[];
  /** All labels in matchers, groupings and joins. */
  readonly labels: readonly string[];
}

/** Parses a query with the grammar of Prometheus' web page. */
function readQuery(text: string): Query {
  const metrics = new Set<string>();
  const labels = new Set<string>();
  let valid = true;
  parser.parse(text).iterate({
    enter: ({ name, type, from, to, node }) => {
      if (type.isError) valid = false;
      const words = text.slice(from, to);
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector') metrics.add(words);
      if (name === 'LabelName') labels.add(words);
    },
  });
  return { valid, metrics: [...metrics], labels: [...labels] };
}

describe('the configuration of Prometheus', () => {
  it.each(['prometheus.yml', 'prometheus.kubernetes.yml'])('%s is valid, and its rule files exist', async (name) => {
    const output = await run('promtool', ['check', 'config', `${dir}/${name}`]);
    expect(output).toContain(`${RULE_FILES.length} rule files found`);
  });

  it('has rules that pass promtool check', async () => {
    const files = RULE_FILES.map((name) => `${dir}/rules/${name}`);
    await expect(run('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', ...files])).resolves.toContain(
      'SUCCESS',
    );
  });

  it('has rules that pass their unit tests', async () => {
    const tests = (await readdir(`${dir}/tests`)).map((name) => `${dir}/tests/${name}`);
    expect(tests.length).toBeGreaterThan(0);
    await expect(run('promtool', ['test', 'rules', ...tests])).resolves.toContain('SUCCESS');
  });

  it('keeps the label `instance` for a ComfyUI, and distinguishes processes by another label', async () => {
    for (const name of ['prometheus.yml', 'prometheus.kubernetes.yml']) {
      const { scrape_configs } = parse(await textOf(`infra/prometheus/${name}`)) as { scrape_configs: Scrape[] };
      const ours = scrape_configs.filter(({ job_name }) => job_name !== 'prometheus');
      expect(ours.length).toBeGreaterThan(0);
      for (const { honor_labels, relabel_configs } of ours) {
        expect(honor_labels).toBe(true);
        expect(relabel_configs.map(({ target_label }) => target_label)).toContain('process');
      }
    }
  });
});

interface Scrape {
  readonly job_name: string;
  readonly honor_labels?: boolean;
  readonly relabel_configs: readonly { readonly target_label?: string }[];
}

describe('an alert', () => {
  it.each(alerts.map((rule) => [rule.alert, rule] as const))(
    '%s has a severity, a summary, a description and a link to the runbook',
    (name, rule) => {
      expect(['warning', 'critical']).toContain(rule.labels?.severity);
      const { summary, description, runbook_url } = rule.annotations ?? {};
      expect(summary?.length).toBeGreaterThan(10);
      expect(description?.length).toBeGreaterThan(20);
      expect(runbook_url).toBe(`docs/runbook.md#${name?.toLowerCase()}`);
      expect(runbook).toContain(`\n## ${name}\n`);
    },
  );

  it('of Prometheus has unit tests in which it fires and does not fire', async () => {
    interface Suite {
      readonly tests: readonly { readonly alert_rule_test: readonly { alertname: string; exp_alerts?: unknown[] }[] }[];
    }
    const { tests } = parse(await textOf('infra/prometheus/tests/alerts.yml')) as Suite;
    const checks = tests.flatMap(({ alert_rule_test }) => alert_rule_test);
    const names = (fires: boolean) =>
      checks.filter(({ exp_alerts = [] }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname);
    // The others all have the same form.
    for (const { alert } of await rulesOf('prometheus-alerts.yml')) {
      expect(names(true)).toContain(alert);
      expect(names(false)).toContain(alert);
    }
  });
});

describe('queries of rules and dashboard', () => {
  const all = [...[...recorded, ...alerts].map(({ expr }) => expr), ...queries];

  it('use only metrics that processes export or rules record, and labels that these have', () => {
    expect(all.length).toBeGreaterThan(80);
    for (const query of all) {
      const { valid, metrics, labels: asked } = readQuery(query);
      expect(valid, query).toBe(true);
      expect(
        metrics.filter((name) => !known.has(name)),
        query,
      ).toEqual([]);
      expect(
        asked.filter((name) => !labels.has(name)),
        query,
      ).toEqual([]);
    }
  });

  it('use every metric, in the dashboard or in a rule, and every recorded series', () => {
    const asked = new Set(all.flatMap((query) => readQuery(query).metrics));
    // Dispatchers judge these by what workers announce.
    for (const name of ['instance_state', 'instance_rests', 'storage_up']) asked.add(`comfy_fleet_${name}`);
    const unseen = Object.entries(METRICS).filter(
      ([name, metric]) => !seriesOf(name, metric).some(([each]) => asked.has(each)),
    );
    expect(unseen.map(([name]) => name)).toEqual([]);
    for (const { record = '' } of recorded) expect(asked, `no query uses ${record}`).toContain(record);
  });
});

describe('the dashboard', () => {
  interface Panel {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly datasource?: { readonly uid: string };
  }
  const { panels, uid } = dashboard as { panels: Panel[]; uid: string };

  it('has rows that answer whether people wait, whether GPUs work, who gets them, what models are fetched and what fails', () => {
    const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual([
      'Are people waiting?',
      'Are GPUs working?',
      'Scheduling',
      'Models on demand',
      'What is failing?',
      'What it stands on',
    ]);
  });

  it('returns numbers for every query if all metrics have samples', async () => {
    expect(queries.length).toBeGreaterThan(50);
    await evaluate(queries);
  });

  it('would not pass with a wrong query', async () => {
    await expect(evaluate(['sum(comfy_fleet_queue_jobs{pool="nowhere"})'])).rejects.toThrow(
      'count(sum(comfy_fleet_queue_jobs',
    );
    await expect(evaluate(['sum(comfy_fleet_queue_jobs) / sum(comfy_fleet_queue_jobs * 0) * 0'])).rejects.toThrow(
      'bool',
    );
    await expect(evaluate(['sum(comfy_fleet_queue_jobs'])).rejects.toThrow('parse error');
  });

  it('has panels that do not overlap, with the provisioned datasource', async () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
    const { datasources } = parse(await textOf('infra/grafana/provisioning/datasources/datasources.yml')) as {
      datasources: { uid: string; type: string; url: string }[];
    };
    const prometheus = datasources.find(({ type }) => type === 'prometheus');
    for (const { type, datasource } of panels) {
      if (type !== 'row') expect(datasource?.uid).toBe(prometheus?.uid);
    }
    expect(uid).toBe('comfy-fleet');
  });

  it('is at the path that Compose and the provisioning use', async () => {
    const { providers } = parse(await textOf('infra/grafana/provisioning/dashboards/dashboards.yml')) as {
      providers: { options: { path: string } }[];
    };
    const compose = await textOf('docker-compose.yml');
    expect(compose).toContain(`./infra/grafana/dashboards:${providers[0]?.options.path}:ro`);
    expect(compose).toContain(`${providers[0]?.options.path}/fleet.json`);
  });
});
