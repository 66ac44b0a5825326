import { until } from '@comfy-fleet/testing';
import { type Goal, median, table } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { type Gpu, startGpu, startProductionStack } from '../../lib/stack.js';
import { type Execution, executionsIn, perPrompt, ratio, type Usage, usageOf } from './executions.js';
import { directFeed, type Feed, pollClient, serviceFeed } from './feeds.js';

/** The duration of a prompt, how many each GPU gets, and how often that is measured. */
export interface Load {
  readonly promptMs: number;
  readonly each: number;
  /** The round with the median throughput counts. */
  readonly rounds: number;
}

export interface Throughput {
  readonly gpus: number;
  readonly promptMs: number;
  readonly direct: Usage;
  readonly service: Usage;
  /** Undefined if it was not measured. */
  readonly poll: Usage | undefined;
}

export interface ThroughputOptions {
  readonly gpus: number;
  readonly loads: readonly Load[];
  /** How many prompts the polling client runs; with 0 it is not measured. */
  readonly polled: number;
  readonly redisUrl: string;
  readonly workflowsDir: string;
  readonly print: (text: string) => void;
}

/** Prompts before the measurement, after which connections are open and V8 has optimised the code. */
const WARM_UP_PROMPTS = 1000;

/** Measures the throughput of each number of GPUs with a backlog. The polling client runs on a single GPU only. */
export async function measureThroughput(
  scope: Scope,
  { gpus, polled, ...options }: Omit<ThroughputOptions, 'gpus'> & { readonly gpus: readonly number[] },
): Promise<Goal[]> {
  const rows: Throughput[] = [];
  for (const count of gpus) {
    rows.push(...(await measure(scope, { ...options, gpus: count, polled: count === 1 ? polled : 0 })));
  }
  options.print(throughputTable(rows));
  return throughputGoals(rows);
}

/** Measures the same GPUs with direct submission and with the service, in turns for each load. */
function measure(all: Scope, options: ThroughputOptions): Promise<Throughput[]> {
  const { loads, polled, redisUrl, workflowsDir, print } = options;
  return all.inner(async (scope) => {
    const gpus = await Promise.all(Array.from({ length: options.gpus }, () => startGpu(scope)));
    const urls = gpus.map(({ url }) => url);
    const stack = await startProductionStack(scope, { redisUrl, workflowsDir });
    await stack.startWorker('bench', urls);
    const direct = await directFeed(scope, urls);
    const service = serviceFeed(stack.url, gpus.length);
    const run = async (feed: typeof direct, { promptMs, each }: Load) =>
      usageOf(await measureBacklog({ gpus, feed, promptMs, count: each * gpus.length }));
    const warmUp = { promptMs: 0, each: Math.ceil(WARM_UP_PROMPTS / gpus.length), rounds: 1 };
    for (const feed of [direct, service]) await run(feed, warmUp);
    const bothWays = async (load: Load) => {
      const ofDirect: Usage[] = [];
      const ofService: Usage[] = [];
      for (let round = 0; round < load.rounds; round++) {
        ofDirect.push(await run(direct, load));
        ofService.push(await run(service, load));
      }
      return { direct: typical(ofDirect), service: typical(ofService) };
    };
    const measured: Throughput[] = [];
    for (const load of loads) {
      print(`measuring ${gpus.length} × ${load.promptMs} ms`);
      measured.push({
        gpus: gpus.length,
        promptMs: load.promptMs,
        ...(await bothWays(load)),
        poll: polled === 0 ? undefined : await poll(scope, gpus[0] as Gpu, polled),
      });
    }
    return measured;
  });
}

/** The round with the median throughput, so that short disturbances do not count. */
function typical(rounds: readonly Usage[]): Usage {
  const middle = median(rounds.map(({ promptsPerSecond }) => promptsPerSecond));
  return rounds.find(({ promptsPerSecond }) => promptsPerSecond === middle) as Usage;
}

async function poll(scope: Scope, gpu: Gpu, count: number): Promise<Usage> {
  const since = Date.now();
  await pollClient(scope, gpu.url, count);
  return usageOf(executionsIn(gpu.journal(), since));
}

/** How often the journals are read. Reading them slows down the machine that is being measured. */
const POLL_MS = 250;
/** How much longer than ideal a backlog may take. */
const PATIENCE_MS = 60_000;

export interface Backlog {
  readonly gpus: readonly Gpu[];
  readonly feed: Feed;
  readonly promptMs: number;
  /** The number of prompts for all GPUs together. */
  readonly count: number;
}

/**
 * Measures how the GPUs execute a backlog. Each GPU is occupied by one prompt until all others are submitted, so that
 * neither submission nor warm-up is measured.
 */
export async function measureBacklog({ gpus, feed, promptMs, count }: Backlog): Promise<Execution[]> {
  for (const gpu of gpus) {
    await gpu.clear();
    await gpu.pace(promptMs);
    await gpu.hang();
  }
  const release = await feed.occupy();
  const isHeld = (gpu: Gpu) => gpu.journal().at(-1)?.event === 'start';
  await until('every GPU is executing', () => gpus.every(isHeld), { everyMs: 50 });
  await feed.submit(count);
  const since = Date.now();
  await release();
  const executions = () => gpus.flatMap((gpu) => executionsIn(gpu.journal(), since));
  const withinMs = (promptMs * count) / gpus.length + PATIENCE_MS;
  await until(`${count} prompts are executed`, () => executions().length >= count, { everyMs: POLL_MS, withinMs });
  await feed.done();
  const all = executions();
  if (all.length !== count) throw new Error(`${count} prompts were submitted and ${all.length} were executed`);
  return all;
}

/** What a 64×64 EmptyImage → SaveImage takes on a real ComfyUI 0.3.64 when all prompts are submitted at once. */
export const FIXED_COST_MS = 2.8;

const shown = (promptMs: number) => (promptMs === FIXED_COST_MS ? `0 (${FIXED_COST_MS})` : `${promptMs}`);

function throughputTable(rows: readonly Throughput[]): string {
  const cells = rows.map(({ gpus, promptMs, direct, service, poll }) => [
    `${gpus} × ${shown(promptMs)} ms`,
    `${service.prompts}`,
    direct.promptsPerSecond.toFixed(2),
    service.promptsPerSecond.toFixed(2),
    ratio(service, direct).toFixed(3),
    (perPrompt(service) - perPrompt(direct)).toFixed(2),
    `${(100 * service.busy).toFixed(1)} %`,
    `${service.medianGapMs}`,
    `${service.longestGapMs}`,
    `${direct.medianGapMs} / ${direct.longestGapMs}`,
    poll === undefined ? '' : poll.promptsPerSecond.toFixed(2),
    poll === undefined ? '' : ratio(poll, direct).toFixed(3),
  ]);
  return table(
    'Throughput with a backlog, in prompts per second from the first start to the last end in the journals; gaps in ms',
    [
      'GPUs × prompt',
      'prompts',
      'direct',
      'service',
      'ratio',
      'adds ms',
      'busy',
      'gap p50',
      'longest',
      'direct gaps',
      'poll 1 s',
      'ratio',
    ],
    cells,
  );
}

/** The share of the throughput of direct submission that the service has to reach, by the duration of a prompt. */
const LEAST_RATIO: ReadonlyMap<number, number> = new Map([
  [50, 0.95],
  [200, 0.98],
  [1000, 0.99],
]);

/** The most that a prompt may take longer than with direct submission if its execution takes no time, in ms. */
const MOST_ADDED_MS = 10;

function throughputGoals(rows: readonly Throughput[]): Goal[] {
  const goals = rows.map(({ gpus, promptMs, direct, service }): Goal => {
    const what = `${gpus} × ${shown(promptMs)} ms: `;
    const limit = LEAST_RATIO.get(promptMs);
    if (limit !== undefined) {
      return { what: `${what}service ÷ direct`, value: ratio(service, direct), unit: '', bound: 'at least', limit };
    }
    const value = perPrompt(service) - perPrompt(direct);
    return { what: `${what}added to a prompt`, value, unit: 'ms', bound: 'at most', limit: MOST_ADDED_MS };
  });
  const at200 = rows.filter(({ promptMs }) => promptMs === 200);
  const one = at200.find(({ gpus }) => gpus === 1);
  const four = at200.find(({ gpus }) => gpus === 4);
  if (one === undefined || four === undefined) return goals;
  const value = four.service.promptsPerSecond / (4 * one.service.promptsPerSecond);
  return [...goals, { what: 'four GPUs ÷ four times one, 200 ms', value, unit: '', bound: 'at least', limit: 0.95 }];
}
