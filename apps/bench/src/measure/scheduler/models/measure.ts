import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '@comfy-fleet/contracts';
import { type JournalLine, until } from '@comfy-fleet/testing';
import { inParallel, type Scope } from '../../../lib/scope.js';
import { type ModelFleet, startModelFleet } from './fleet.js';
import type { ModelScenario } from './scenarios.js';

export interface ModelOptions {
  readonly redisUrl: string;
  readonly patienceSeconds: number;
}

const AT_ONCE = 4;
/** The key of all jobs except the lone ones, so that only the rule for models matters. */
const FLOOD = 'flood';
const POLL_MS = 20;
/** How long the executions between two lone jobs may take: longer than any run. */
const WITHIN_MS = 600_000;

/** Runs the scenario with the rule of the service, and without patience, when the service ignores models. */
export async function measureBothRules(
  scope: Scope,
  { patienceSeconds, ...options }: ModelOptions & { readonly scenario: ModelScenario },
): Promise<BothRules> {
  const { scenario } = options;
  const service = await measureModels(scope, { ...options, patienceSeconds });
  return { scenario, service, fifo: await measureModels(scope, { ...options, patienceSeconds: 0 }) };
}

export interface BothRules {
  readonly scenario: ModelScenario;
  readonly service: ModelRun;
  readonly fifo: ModelRun;
}

function measureModels(all: Scope, options: ModelOptions & { readonly scenario: ModelScenario }): Promise<ModelRun> {
  const { scenario, patienceSeconds } = options;
  return all.inner(async (scope) => {
    const fleet = await startModelFleet(scope, { ...options, keys: [FLOOD] });
    const ids = await (scenario.arrivals === undefined ? backlog : arriving)(fleet, scenario);
    const jobs = await allEnded(fleet, ids);
    return modelRun(fleet.journal(), { patienceSeconds, waitsMs: jobs.map(waitMs) });
  });
}

/** Jobs of a fifth checkpoint among very many jobs of four others. */
export interface LoneModel {
  readonly scenario: ModelScenario;
  readonly patienceSeconds: number;
  /** The time from the acceptance of each lone job until a GPU started it. */
  readonly waitsMs: readonly number[];
}

export function measureLoneModel(
  all: Scope,
  {
    tries,
    ...options
  }: ModelOptions & { readonly scenario: ModelScenario & { readonly fifth: string }; readonly tries: number },
): Promise<LoneModel> {
  const { scenario, patienceSeconds } = options;
  return all.inner(async (scope) => {
    // Each job has another key, because a key that was served before comes later.
    const keys = Array.from({ length: tries }, (_, n) => `lone-${n}`);
    const fleet = await startModelFleet(scope, { ...options, keys: [FLOOD, ...keys] });
    const ids = await backlog(fleet, scenario);
    const lone: string[] = [];
    for (const key of keys) {
      const enough = ((lone.length + 1) * scenario.jobs.length) / (tries + 2);
      const isInTheMiddle = () => fleet.journal().filter(({ event }) => event === 'end').length >= enough;
      await until(`${enough} prompts have ended`, isInTheMiddle, { withinMs: WITHIN_MS, everyMs: POLL_MS });
      lone.push(await fleet.submit(scenario.fifth, key));
    }
    await allEnded(fleet, ids);
    return { scenario, patienceSeconds, waitsMs: (await allEnded(fleet, lone)).map(waitMs) };
  });
}

/** Submits all jobs before the first is executed. */
async function backlog(fleet: ModelFleet, { jobs }: ModelScenario): Promise<string[]> {
  const ids: string[] = [];
  await inParallel(jobs.length, AT_ONCE, async (index) => {
    ids[index] = await fleet.submit(jobs[index] ?? '', FLOOD);
  });
  await fleet.startWorker();
  return ids;
}

async function arriving(fleet: ModelFleet, { jobs, arrivals }: ModelScenario): Promise<string[]> {
  await fleet.startWorker();
  const began = performance.now();
  return Promise.all(
    jobs.map(async (file, index) => {
      await delay((arrivals?.times[index] ?? 0) - (performance.now() - began));
      return fleet.submit(file, FLOOD);
    }),
  );
}

async function allEnded(fleet: ModelFleet, ids: readonly string[]): Promise<Job[]> {
  const jobs: Job[] = [];
  await inParallel(ids.length, AT_ONCE, async (index) => {
    jobs[index] = await fleet.ended(ids[index] ?? '');
  });
  return jobs;
}

function waitMs({ created_at, started_at }: Job): number {
  return Date.parse(started_at ?? '') - Date.parse(created_at);
}

/** What the GPUs did in a scenario, and how long the jobs waited. */
export interface ModelRun {
  readonly patienceSeconds: number;
  readonly jobs: number;
  /** How many model files were loaded. */
  readonly loads: number;
  /** From the start of the first prompt to the end of the last. */
  readonly makespanMs: number;
  /** The mean duration of prompts that loaded nothing. */
  readonly promptMs: number;
  /** The time from the acceptance of each job until a GPU started it. */
  readonly waitsMs: readonly number[];
}

/** Throws unless every job was executed once and succeeded. */
export function modelRun(
  lines: readonly JournalLine[],
  { patienceSeconds, waitsMs }: Pick<ModelRun, 'patienceSeconds' | 'waitsMs'>,
): ModelRun {
  const ends = lines.flatMap((line) => (line.event === 'end' && line.outcome === 'success' ? [line] : []));
  const jobs = waitsMs.length;
  if (ends.length !== jobs || lines.length !== 2 * jobs) {
    throw new Error(`for ${jobs} jobs the journals have ${ends.length} successful prompts and ${lines.length} lines`);
  }
  const quick = ends.filter(({ loaded }) => loaded.length === 0);
  return {
    patienceSeconds,
    jobs,
    loads: ends.reduce((sum, { loaded }) => sum + loaded.length, 0),
    makespanMs: Math.max(...ends.map(({ ended_at }) => ended_at)) - Math.min(...ends.map((end) => end.started_at)),
    promptMs: quick.reduce((sum, { started_at, ended_at }) => sum + ended_at - started_at, 0) / quick.length,
    waitsMs,
  };
}
