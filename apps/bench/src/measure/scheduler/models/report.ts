import { type Goal, percentile, table } from '../../../lib/report.js';
import type { BothRules, LoneModel } from './measure-models.js';
import type { ModelRun } from './model-run.js';
import type { ModelScenario } from './scenarios.js';

/** How much of FIFO's loads and of its time the service may need. */
export interface ModelLimits {
  readonly loads: number;
  readonly makespan: number;
}

const LEAST_OF_ORACLE = 0.95;
/** What the service's loads may be of FIFO's, where checkpoints alternate and GPUs hold one. */
const MOST_LOADS = 0.1;

const seconds = (ms: number) => (ms / 1000).toFixed(1);
const ratio = (value: number, of: number) => (value / of).toFixed(3);
const ruleOf = ({ patienceSeconds }: Pick<ModelRun, 'patienceSeconds'>) =>
  patienceSeconds === 0 ? 'patience 0, here the same as FIFO' : `patience ${patienceSeconds} s`;
const settingOf = ({ what, gpus, jobs, promptMs, loadMs }: ModelScenario) =>
  `${what}: ${jobs.length} jobs, ${gpus} GPUs, prompts of ${promptMs} ms, loads of ${loadMs} ms`;

/**
 * What the GPUs need at least: each file is read by one of them, and all end together. Computed, with prompts as long
 * as they were for the service. Where the GPUs share the files equally it is what sorting the jobs by them needs.
 */
function oracleMs({ gpus, files, loadMs, jobs }: ModelScenario, { promptMs }: ModelRun): number {
  return (files.length * loadMs + jobs.length * promptMs) / gpus;
}

export function loadsTable({ scenario, service, fifo }: BothRules): string {
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
    [row(service), row(fifo), ['the least: each file read once (computed)', ...row(oracle).slice(1)]],
  );
}

const atMost = (limit: number) => ({ unit: '', bound: 'at most', limit }) as const;

export function loadsGoals({ scenario: { what }, service, fifo }: BothRules, limits: ModelLimits): Goal[] {
  return [
    { what: `${what}: loads ÷ FIFO's`, value: service.loads / fifo.loads, ...atMost(limits.loads) },
    { what: `${what}: time ÷ FIFO's`, value: service.makespanMs / fifo.makespanMs, ...atMost(limits.makespan) },
  ];
}

/** Of a scenario whose GPUs share the files equally. */
export function oracleGoals({ scenario, service, fifo }: BothRules): Goal[] {
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

export function waitsTable({ scenario, service, fifo }: BothRules): string {
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

export function waitsGoals({ scenario: { what }, service, fifo }: BothRules): Goal[] {
  const beside = (which: (typeof WAITS)[number]) => waitOf(service, which) / waitOf(fifo, which);
  const less = { unit: '', bound: 'less than', limit: 1 } as const;
  return [
    { what: `${what}: median wait ÷ FIFO's`, value: beside('p50'), ...less },
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

export function loneModelTable(service: LoneModel, fifo: LoneModel): string {
  const tries = service.waitsMs.map((_, n) => `try ${n + 1}`);
  return table(
    `${settingOf(service.scenario)}; how long the lone job waits, in s`,
    ['', ...tries],
    [service, fifo].map((lone) => [`patience ${lone.patienceSeconds} s`, ...lone.waitsMs.map(seconds)]),
  );
}

export function loneModelGoals({ scenario, patienceSeconds, waitsMs }: LoneModel): Goal[] {
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
