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

/** Names of series that can be asked for, beside those that rules record. */
const told = new Set(
  Object.entries(METRICS).flatMap(([name, metric]) => seriesOf(name, metric).map(([series]) => series)),
);
const known = new Set([...told, ...OF_NODE, 'up', 'ALERTS', ...recorded.map(({ record }) => record ?? '')]);
const labels = new Set([
  ...Object.values(METRICS).flatMap((metric) => Object.keys(metric.labels)),
  ...OF_SCRAPE,
  'le',
  'alertstate',
]);

/** Every `expr` in a dashboard, and the queries that fill its variables. */
function queriesIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'expr' && typeof inner === 'string') return [inner];
    const variable = key === 'query' && typeof inner === 'string' ? /^label_values\((.+), (\w+)\)$/.exec(inner) : null;
    if (variable !== null) return [`count by (${variable[2]}) (${variable[1]})`];
    return queriesIn(inner);
  });
}

/** As Grafana fills it in. */
const filled = (query: string) => query.replaceAll('$pool', '.*').replaceAll('$__rate_interval', '5m');
const queries = queriesIn(dashboard).map(filled);

interface Query {
  /** False: Prometheus could not read it. */
  readonly valid: boolean;
  readonly metrics: readonly string[];
  /** All labels that are matched, grouped or joined by. */
  readonly labels: readonly string[];
}

/** Takes a query apart with the grammar of Prometheus' own web page. */
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

describe('what Prometheus is given', () => {
  it.each(['prometheus.yml', 'prometheus.kubernetes.yml'])(
    '%s is valid, with the rules that it names',
    async (name) => {
      const said = await run('promtool', ['check', 'config', `${dir}/${name}`]);
      expect(said).toContain(`${RULE_FILES.length} rule files found`);
    },
  );

  it('is rules in which promtool finds no fault', async () => {
    const files = RULE_FILES.map((name) => `${dir}/rules/${name}`);
    await expect(run('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', ...files])).resolves.toContain(
      'SUCCESS',
    );
  });

  it('is rules that pass their unit tests', async () => {
    const tests = (await readdir(`${dir}/tests`)).map((name) => `${dir}/tests/${name}`);
    expect(tests.length).toBeGreaterThan(0);
    await expect(run('promtool', ['test', 'rules', ...tests])).resolves.toContain('SUCCESS');
  });

  it('keeps `instance` of the metrics for a ComfyUI, and tells processes apart by another label', async () => {
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
    '%s says how bad it is, what is wrong, by how much, and where to read on',
    (name, rule) => {
      expect(['warning', 'critical']).toContain(rule.labels?.severity);
      const { summary, description, runbook_url } = rule.annotations ?? {};
      expect(summary?.length).toBeGreaterThan(10);
      expect(description?.length).toBeGreaterThan(20);
      expect(runbook_url).toBe(`docs/runbook.md#${name?.toLowerCase()}`);
      expect(runbook).toContain(`\n## ${name}\n`);
    },
  );

  it('is shown in a unit test to fire, and to be silent when nothing is wrong', async () => {
    interface Suite {
      readonly tests: readonly { readonly alert_rule_test: readonly { alertname: string; exp_alerts?: unknown[] }[] }[];
    }
    const files = await readdir(`${dir}/tests`);
    const suites = await Promise.all(
      files.map(async (name) => parse(await textOf(`infra/prometheus/tests/${name}`)) as Suite),
    );
    const checks = suites.flatMap(({ tests }) => tests).flatMap(({ alert_rule_test }) => alert_rule_test);
    const names = (fires: boolean) =>
      new Set(
        checks.filter(({ exp_alerts = [] }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname),
      );
    const all = new Set(alerts.map(({ alert }) => alert));
    expect(names(true)).toEqual(all);
    expect(names(false)).toEqual(all);
  });
});

describe('queries of rules and dashboard', () => {
  const all = [...[...recorded, ...alerts].map(({ expr }) => expr), ...queries];

  it('ask only for metrics that the processes tell or that rules record, and for labels that these have', () => {
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

  it('leave no metric out: each is in the dashboard, in a rule, or in one that the dashboard shows', () => {
    const asked = new Set(all.flatMap((query) => readQuery(query).metrics));
    const unseen = Object.entries(METRICS).filter(
      ([name, metric]) => !seriesOf(name, metric).some(([each]) => asked.has(each)),
    );
    expect(unseen.map(([name]) => name)).toEqual([]);
    for (const { record = '' } of recorded) expect(asked, `nobody asks for ${record}`).toContain(record);
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

  it('answers whether people wait, whether GPUs work, who gets them, and what is failing, in this order', () => {
    const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual([
      'Are people waiting?',
      'Are GPUs working?',
      'Scheduling',
      'What is failing?',
      'What it stands on',
    ]);
  });

  it('has an answer of numbers to every query, once the processes tell something', async () => {
    expect(queries.length).toBeGreaterThan(50);
    await evaluate(queries);
  });

  it('has queries of which a wrong one would be found', async () => {
    await expect(evaluate(['sum(comfy_fleet_queue_jobs{pool="nowhere"})'])).rejects.toThrow(
      'count(sum(comfy_fleet_queue_jobs',
    );
    await expect(evaluate(['sum(comfy_fleet_queue_jobs) / sum(comfy_fleet_queue_jobs * 0) * 0'])).rejects.toThrow(
      'bool',
    );
    await expect(evaluate(['sum(comfy_fleet_queue_jobs'])).rejects.toThrow('parse error');
  });

  it('has panels that do not lie over each other, from the datasource that is provisioned', async () => {
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

  it('is where Compose and the provisioning look for it', async () => {
    const { providers } = parse(await textOf('infra/grafana/provisioning/dashboards/dashboards.yml')) as {
      providers: { options: { path: string } }[];
    };
    const compose = await textOf('docker-compose.yml');
    expect(compose).toContain(`./infra/grafana/dashboards:${providers[0]?.options.path}:ro`);
    expect(compose).toContain(`${providers[0]?.options.path}/fleet.json`);
  });
});
