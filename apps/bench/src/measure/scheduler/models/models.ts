import { startRedisServer } from '@comfy-fleet/testing';
import { type Goal, percentile, table } from '../../../lib/report.js';
import type { Scope } from '../../../lib/scope.js';
import { type BothRules, type LoneModel, type ModelRun, measureBothRules, measureLoneModel } from './measure.js';
import { floodScenario, type ModelScenario, type ModelSizes, modelScenarios } from './scenarios.js';

export interface ModelsBench {
  readonly sizes: ModelSizes;
  readonly onProgress: (text: string) => void;
  readonly print: (text: string) => void;
}

/** The default of MODEL_PATIENCE_SECONDS. */
const PATIENCE_SECONDS = 30;
/** Shorter than the default, because the lone job must run before the other jobs are done. */
const LONE_PATIENCE_SECONDS = 3;
const LONE_TRIES = 3;
/** With FIFO most jobs load a model; the service could do with one or two loads per file. */
const LIMITS: ModelLimits = { loads: 0.25, makespan: 0.6 };

/** Measures how often models are loaded, with real processes and simulated GPUs that take time for loading. */
export function measureModels(all: Scope, { sizes, onProgress, print }: ModelsBench): Promise<Goal[]> {
  return all.inner(async (scope) => {
    const redis = await startRedisServer();
    scope.onClose(() => redis.close());
    const shared = { redisUrl: redis.url };
    const both = (scenario: ModelScenario) => {
      onProgress(`models: ${scenario.what}`);
      return measureBothRules(scope, { ...shared, scenario, patienceSeconds: PATIENCE_SECONDS });
    };
    const { shuffled, slow, quick, ...others } = modelScenarios(sizes);
    const goals: Goal[] = [];
    const report = (table: string, met: readonly Goal[]) => {
      print(table);
      goals.push(...met);
    };
    const measured = await both(shuffled);
    report(loadsTable(measured), oracleGoals(measured));
    for (const arriving of [slow, quick]) {
      const steady = await both(arriving);
      report(waitsTable(steady), waitsGoals(steady));
    }
    const scenario = floodScenario(sizes.flood);
    onProgress(`models: ${scenario.what}`);
    const lone = (patienceSeconds: number) =>
      measureLoneModel(scope, { ...shared, scenario, patienceSeconds, tries: LONE_TRIES });
    const kept = await lone(LONE_PATIENCE_SECONDS);
    report(loneModelTable(kept, await lone(0)), loneModelGoals(kept));
    for (const other of Object.values(others)) {
      const rules = await both(other);
      report(loadsTable(rules), loadsGoals(rules, LIMITS));
    }
    return goals;
  });
}

/** The maximum loads and time of the service, relative to FIFO. */
export interface ModelLimits {
  readonly loads: number;
  readonly makespan: number;
}

const LEAST_OF_ORACLE = 0.95;
/** The maximum loads relative to FIFO, with alternating checkpoints and GPUs that hold one. */
const MOST_LOADS = 0.1;

const seconds = (ms: number) => (ms / 1000).toFixed(1);
const ratio = (value: number, of: number) => (value / of).toFixed(3);
const ruleOf = ({ patienceSeconds }: Pick<ModelRun, 'patienceSeconds'>) =>
  patienceSeconds === 0 ? 'patience 0, here the same as FIFO' : `patience ${patienceSeconds} s`;
const settingOf = ({ what, gpus, jobs, promptMs, loadMs }: ModelScenario) =>
  `${what}: ${jobs.length} jobs, ${gpus} GPUs, prompts of ${promptMs} ms, loads of ${loadMs} ms`;

/**
 * The computed minimum time: each file is loaded by one GPU, and all GPUs end together. Prompts take as long as they did
 * for the service. If the GPUs share the files equally, this is the time for jobs sorted by file.
 */
function oracleMs({ gpus, files, loadMs, jobs }: ModelScenario, { promptMs }: ModelRun): number {
  return (files.length * loadMs + jobs.length * promptMs) / gpus;
}

function loadsTable({ scenario, service, fifo }: BothRules): string {
  const row = (run: ModelRun) => [
    ruleOf(run),
    `${run.loads}`,
    ratio(run.loads, fifo.loads),
    seconds(run.makespanMs),
    ratio(run.makespanMs, fifo.makespanMs),
    (run.jobs / (run.makespanMs / 1000)).toFixed(2),
  ];
  const oracle = { ...service, loads: scenario.files.length, makespanMs: oracleMs(scenario, service) };
  return table(
    settingOf(scenario),
    ['', 'loads', '÷ FIFO', 'took s', '÷ FIFO', 'prompts/s'],
    [row(service), row(fifo), ['the minimum: each file loaded once (computed)', ...row(oracle).slice(1)]],
  );
}

const atMost = (limit: number) => ({ unit: '', bound: 'at most', limit }) as const;

function loadsGoals({ scenario: { what }, service, fifo }: BothRules, limits: ModelLimits): Goal[] {
  return [
    { what: `${what}: loads ÷ FIFO's`, value: service.loads / fifo.loads, ...atMost(limits.loads) },
    { what: `${what}: time ÷ FIFO's`, value: service.makespanMs / fifo.makespanMs, ...atMost(limits.makespan) },
  ];
}

/** For scenarios whose GPUs share the files equally. */
function oracleGoals({ scenario, service, fifo }: BothRules): Goal[] {
  const { what } = scenario;
  const value = oracleMs(scenario, service) / service.makespanMs;
  return [
    { what: `${what}: loads ÷ FIFO's`, value: service.loads / fifo.loads, ...atMost(MOST_LOADS) },
    { what: `${what}: prompts/s ÷ the most`, value, unit: '', bound: 'at least', limit: LEAST_OF_ORACLE },
  ];
}

const WAITS = ['p50', 'p95', 'longest'] as const;
const waitOf = ({ waitsMs }: ModelRun, which: (typeof WAITS)[number]) =>
  percentile(waitsMs, { p50: 50, p95: 95, longest: 100 }[which]);

function waitsTable({ scenario, service, fifo }: BothRules): string {
  const row = (run: ModelRun) => [
    ruleOf(run),
    `${run.loads}`,
    ...WAITS.flatMap((which) => [seconds(waitOf(run, which)), ratio(waitOf(run, which), waitOf(fifo, which))]),
  ];
  return table(
    `${settingOf(scenario)}; ${scenario.arrivals?.rate}; how long jobs wait, in s`,
    ['', 'loads', ...WAITS.flatMap((which) => [which, '÷ FIFO'])],
    [row(service), row(fifo)],
  );
}

function waitsGoals({ scenario: { what, promptMs }, service, fifo }: BothRules): Goal[] {
  const beside = (which: (typeof WAITS)[number]) => waitOf(service, which) / waitOf(fifo, which);
  const less = { unit: '', bound: 'less than', limit: 1 } as const;
  return [
    // If most jobs find an idle GPU with their model, the medians are some milliseconds, whatever the rule.
    ...(waitOf(fifo, 'p50') < promptMs
      ? []
      : [{ what: `${what}: median wait ÷ FIFO's`, value: beside('p50'), ...less }]),
    { what: `${what}: 95th percentile ÷ FIFO's`, value: beside('p95'), ...less },
    {
      what: `${what}: longest wait − FIFO's`,
      value: (waitOf(service, 'longest') - waitOf(fifo, 'longest')) / 1000,
      unit: 's',
      bound: 'at most',
      limit: service.patienceSeconds,
    },
  ];
}

function loneModelTable(service: LoneModel, fifo: LoneModel): string {
  const tries = service.waitsMs.map((_, n) => `try ${n + 1}`);
  return table(
    `${settingOf(service.scenario)}; how long the lone job waits, in s`,
    ['', ...tries],
    [service, fifo].map((lone) => [`patience ${lone.patienceSeconds} s`, ...lone.waitsMs.map(seconds)]),
  );
}

function loneModelGoals({ scenario, patienceSeconds, waitsMs }: LoneModel): Goal[] {
  const { what, promptMs, loadMs } = scenario;
  return [
    {
      what: `${what}: longest wait`,
      value: Math.max(...waitsMs) / 1000,
      unit: 's',
      bound: 'at most',
      limit: patienceSeconds + (promptMs + loadMs) / 1000,
    },
  ];
}
