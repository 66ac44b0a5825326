import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '@comfy-fleet/testing';
import { parse, stringify } from 'yaml';
import { inRepository, startInstalled } from '../../local.js';

const DIR = inRepository('infra/prometheus/');
/** Shorter than in production, because a run is short. */
const EVERY = '1s';
const START_MS = 20_000;
const DEADLINE_MS = 10_000;

/** One line of a graph: its values in chronological order, without NaN (0 / 0). */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** Prometheus with the rules and scrape jobs that operators get. */
export interface Prometheus {
  /** Runs a query over the last `seconds`. Rejects with the error of Prometheus. */
  query(expr: string, seconds: number): Promise<Series[]>;
  close(): Promise<void>;
}

interface ScrapeConfig {
  readonly job_name: string;
  readonly dns_sd_configs?: unknown;
}

interface Settings {
  readonly scrape_configs: readonly ScrapeConfig[];
}

/**
 * Starts Prometheus. `targets` are the addresses of each scrape job. Rejects if it is not installed or does not start.
 */
export async function startPrometheus(options: {
  readonly dir: string;
  readonly port: number;
  readonly targets: ReadonlyMap<string, readonly string[]>;
}): Promise<Prometheus> {
  const { dir, port } = options;
  const address = `127.0.0.1:${port}`;
  const targets = new Map([...options.targets, ['prometheus', [address]]]);
  const settings = parse(await readFile(join(DIR, 'prometheus.yml'), 'utf8')) as Settings;
  const file = join(dir, 'prometheus.yml');
  await writeFile(
    file,
    stringify({
      ...settings,
      global: { scrape_interval: EVERY, scrape_timeout: EVERY, evaluation_interval: EVERY },
      rule_files: [join(DIR, 'rules/*.yml')],
      scrape_configs: settings.scrape_configs.map((config) => here(config, targets)),
    }),
  );
  const program = await startInstalled('prometheus', [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(dir, 'prometheus')}`,
    `--web.listen-address=${address}`,
    '--log.level=warn',
  ]);
  const close = () => program.stop('SIGTERM');
  const url = `http://${address}`;
  const isReady = async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.status === 200;
  try {
    await until('Prometheus is ready', isReady, { withinMs: START_MS, everyMs: 50 });
  } catch (error) {
    await close();
    throw new Error(`${String(error)}\n${program.output}`);
  }
  return {
    query: async (expr, seconds) => {
      const end = Date.now() / 1000;
      const range = new URLSearchParams({ query: expr, start: `${end - seconds}`, end: `${end}`, step: '1' });
      const answer = await fetch(`${url}/api/v1/query_range?${range}`, { signal: AbortSignal.timeout(DEADLINE_MS) });
      const { status, error, data } = (await answer.json()) as RangeAnswer;
      if (status !== 'success') throw new Error(`${expr}: ${error}`);
      return (data?.result ?? []).map(({ metric, values }) => ({
        labels: metric,
        values: values.map(([, value]) => Number(value)).filter((value) => !Number.isNaN(value)),
      }));
    },
    close,
  };
}

interface RangeAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data?: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly values: [number, string][] }[];
  };
}

function here(config: ScrapeConfig, targets: ReadonlyMap<string, readonly string[]>): object {
  const { dns_sd_configs, ...rest } = config;
  const own = targets.get(config.job_name);
  if (own === undefined) throw new Error(`prometheus.yml has a job without targets in this run: ${config.job_name}`);
  return { ...rest, static_configs: [{ targets: own }] };
}
