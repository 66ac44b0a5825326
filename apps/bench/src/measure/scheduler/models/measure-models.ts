import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { inParallel, type Scope } from '../../../lib/scope.js';
import { type ModelFleet, startModelFleet } from './model-fleet.js';
import { type ModelRun, modelRun } from './model-run.js';
import type { ModelScenario } from './scenarios.js';

export interface ModelOptions {
  readonly redisUrl: string;
  readonly patienceSeconds: number;
}

const AT_ONCE = 4;
/** The key of all jobs but the lone ones: what differs is the rule for models only. */
const FLOOD = 'flood';
const LOOK_MS = 20;
/** For the executions between two lone jobs: longer than the longest run. */
const WITHIN_MS = 600_000;

/** The scenario under the service's rule, and without patience, when it looks at no models. */
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

/** Jobs of a fifth checkpoint in the middle of a flood of four. */
export interface LoneModel {
  readonly scenario: ModelScenario;
  readonly patienceSeconds: number;
  /** Of each lone job, from its acceptance until a GPU began with it. */
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
    // each of its own key, as one that was served before owes for that
    const keys = Array.from({ length: tries }, (_, n) => `lone-${n}`);
    const fleet = await startModelFleet(scope, { ...options, keys: [FLOOD, ...keys] });
    const ids = await backlog(fleet, scenario);
    const lone: string[] = [];
    for (const key of keys) {
      const enough = ((lone.length + 1) * scenario.jobs.length) / (tries + 2);
      const isInTheMiddle = () => fleet.journal().filter(({ event }) => event === 'end').length >= enough;
      await until(`${enough} prompts have ended`, isInTheMiddle, { withinMs: WITHIN_MS, everyMs: LOOK_MS });
      lone.push(await fleet.submit(scenario.fifth, key));
    }
    await allEnded(fleet, ids);
    return { scenario, patienceSeconds, waitsMs: (await allEnded(fleet, lone)).map(waitMs) };
  });
}

/** All jobs wait before the first is executed. */
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
