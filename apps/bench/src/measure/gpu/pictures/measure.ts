import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Graph } from '@comfy-fleet/comfyui';
import { isHintId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { type KeyedStack, startKeyedStack } from '../../../lib/keyed-stack.js';
import { inParallel, type Scope } from '../../../lib/scope.js';
import { type Gpu, startGpu } from '../../../lib/stack.js';
import { WORKFLOWS_DIR } from '../../../local.js';
import { type Execution, executionsIn, gapsIn, type History, readHistory, usageOf } from '../executions.js';
import { connectDirectly, type Direct } from '../feeds.js';
import type { PictureJob, PictureScenario } from './scenarios.js';

/** What a GPU did for the jobs of a round. */
export interface PictureRun {
  readonly jobs: number;
  /** From the start of the first prompt to the end of the last. */
  readonly gpuMs: number;
  /** The part of that in which it executed nothing. */
  readonly idleMs: number;
  /** How often a model was moved into its memory or loaded from the disk. */
  readonly loads: number;
  /** Prompts that only encode texts ahead. */
  readonly hints: number;
}

export interface Pictures {
  readonly scenario: PictureScenario;
  readonly service: readonly PictureRun[];
  readonly direct: readonly PictureRun[];
  /** The GPU time of each key under the service, in ms, while all keys had waiting jobs. */
  readonly shares: ReadonlyMap<string, number>;
  /** Hints that were sent while the worker learned. */
  readonly learningHints: number;
}

const WORKFLOW = 'pictures';
const AT_ONCE = 4;
const WITHIN_MS = 120_000;

/** Lets the service and a direct client give the same jobs to the same GPU, in turns. */
export function measurePictures(
  all: Scope,
  { scenario, redisUrl }: { readonly scenario: PictureScenario; readonly redisUrl: string },
): Promise<Pictures> {
  return all.inner(async (scope) => {
    const gpus = await Promise.all(Array.from({ length: scenario.gpus ?? 1 }, () => startGpu(scope, scenario.gpu)));
    const urls = gpus.map(({ url }) => url);
    const keys = [...new Set(scenario.rounds.flatMap(({ service }) => service.map(({ key }) => key)))];
    const workflowsDir = await workflowsWith(scope, scenario);
    const stack = await startKeyedStack(scope, { redisUrl, keys, workflowsDir, env: scenario.env ?? {} });
    await stack.startWorker('bench', urls);
    const direct = await Promise.all(urls.map((url) => connectDirectly(scope, url)));
    let learningHints = 0;
    for (const jobs of scenario.learning) learningHints += (await throughService(stack, gpus, jobs)).hints;
    const runs: Record<'service' | 'direct', PictureRun[]> = { service: [], direct: [] };
    let shares: ReadonlyMap<string, number> = new Map();
    for (const round of scenario.rounds) {
      runs.direct.push(await directly(direct, gpus, scenario, round.direct));
      const { keyTimes, ...run } = await throughService(stack, gpus, round.service);
      runs.service.push(run);
      shares = keyTimes;
    }
    return { scenario, ...runs, shares, learningHints };
  });
}

async function workflowsWith(scope: Scope, { graph }: PictureScenario): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-workflows-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  await cp(WORKFLOWS_DIR, dir, { recursive: true });
  await writeFile(join(dir, `${WORKFLOW}.json`), JSON.stringify(graph({ prompt: 'a picture', seed: 0 })));
  return dir;
}

/** Calls `submit` for each job when it arrives. */
async function arriving(jobs: readonly PictureJob[], submit: (job: PictureJob, index: number) => Promise<void>) {
  const began = performance.now();
  for (const [index, job] of jobs.entries()) {
    const leftMs = job.atMs - (performance.now() - began);
    if (leftMs > 0) await delay(leftMs);
    await submit(job, index);
  }
}

/** Gives each job in the order of arrival to the first GPU on which at most one prompt is left. */
async function directly(
  direct: readonly Direct[],
  gpus: readonly Gpu[],
  { graph }: PictureScenario,
  jobs: readonly PictureJob[],
): Promise<PictureRun> {
  await Promise.all(gpus.map((gpu) => gpu.clear()));
  const since = Date.now();
  const given = gpus.map(() => 0);
  const left = (nth: number) => (given[nth] ?? 0) - executionsIn(gpus[nth]?.journal() ?? [], since).length;
  const upTo = (most: number) => gpus.findIndex((_, nth) => left(nth) <= most);
  const options = { withinMs: WITHIN_MS, everyMs: 5 };
  await arriving(jobs, async ({ inputs }) => {
    await until('a GPU is free', () => upTo(1) >= 0, options);
    const nth = Math.max(0, upTo(0), upTo(1));
    given[nth] = (given[nth] ?? 0) + 1;
    await direct[nth]?.submit(() => graph(inputs));
  });
  await until('all prompts have ended', () => gpus.every((_, nth) => left(nth) === 0), options);
  return runOf(gpus, since, jobs.length);
}

/** Submits the jobs that wait from the beginning during a pause, so that the first claim sees them all. */
async function throughService(
  stack: KeyedStack,
  gpus: readonly Gpu[],
  jobs: readonly PictureJob[],
): Promise<PictureRun & { readonly keyTimes: ReadonlyMap<string, number> }> {
  await Promise.all(gpus.map((gpu) => gpu.clear()));
  await stack.pause();
  const since = Date.now();
  const ids: string[] = [];
  const arrivals = new Map<number, { readonly key: string; readonly arrivedAt: number }>();
  const submit = async ({ key, inputs }: PictureJob) => {
    ids.push(await stack.submit(`/workflows/${WORKFLOW}`, key, { inputs }));
    arrivals.set(inputs.seed, { key, arrivedAt: Date.now() });
  };
  const begin = jobs.filter(({ atMs }) => atMs === 0);
  for (const job of begin) await submit(job);
  await stack.resume();
  await arriving(jobs.slice(begin.length), submit);
  await inParallel(ids.length, AT_ONCE, async (index) => {
    await stack.ended(ids[index] ?? '');
  });
  const history: History = Object.assign({}, ...(await Promise.all(gpus.map(({ url }) => readHistory(url)))));
  const executed = executionsOf(gpus, since).flatMap((execution) => {
    const graph = history[execution.promptId]?.prompt[2] as Graph | undefined;
    const arrival = arrivals.get(Number(graph?.sampler?.inputs.seed));
    return arrival === undefined ? [] : [{ ...execution, ...arrival }];
  });
  return { ...runOf(gpus, since, jobs.length), keyTimes: contestedTimes(executed) };
}

interface Executed extends Pick<Execution, 'startedAt' | 'endedAt'> {
  readonly key: string;
  readonly arrivedAt: number;
}

/** The GPU time of each key, in ms, for executions at whose start all keys had waiting jobs. */
export function contestedTimes(executions: readonly Executed[]): Map<string, number> {
  const times = new Map(executions.map(({ key }) => [key, 0]));
  const isWaiting = (key: string, at: number) =>
    executions.some((job) => job.key === key && job.arrivedAt <= at && job.startedAt > at);
  for (const { key, startedAt, endedAt } of executions) {
    const contested = [...times.keys()].every((other) => isWaiting(other, startedAt));
    if (contested) times.set(key, (times.get(key) ?? 0) + endedAt - startedAt);
  }
  return times;
}

function executionsOf(gpus: readonly Gpu[], since: number): Execution[] {
  return gpus.flatMap((gpu) => executionsIn(gpu.journal(), since));
}

function runOf(gpus: readonly Gpu[], since: number, jobs: number): PictureRun {
  const executions = executionsOf(gpus, since);
  const lines = gpus.flatMap((gpu) => gpu.journal());
  const ends = lines.flatMap((line) => (line.event === 'end' && line.started_at >= since ? [line] : []));
  const { spanMs } = usageOf(executions);
  return {
    jobs,
    gpuMs: spanMs * gpus.length,
    idleMs: gapsIn(executions).reduce((sum, gap) => sum + gap, 0),
    loads: ends.reduce((sum, { loaded, moved }) => sum + loaded.length + moved.length, 0),
    hints: executions.filter(({ promptId }) => isHintId(promptId)).length,
  };
}
