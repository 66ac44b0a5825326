import { until } from '@comfy-fleet/testing';
import { type Goal, median, table } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { type Gpu, startGpu, startProductionStack } from '../../lib/stack.js';
import { type Execution, executionsIn, perPrompt, ratio, type Usage, usageOf } from './executions.js';
import { directFeed, type Feed, pollClient, serviceFeed } from './feeds.js';

/** The time of a prompt, how many of them each GPU gets, and how often that is measured. */
export interface Load {
  readonly promptMs: number;
  readonly each: number;
  /** Of several rounds the one with the median throughput counts, for each way of feeding. */
  readonly rounds: number;
}

export interface Throughput {
  readonly gpus: number;
  readonly promptMs: number;
  readonly direct: Usage;
  readonly service: Usage;
  /** Measured on one GPU only. */
  readonly poll: Usage | undefined;
}

export interface ThroughputOptions {
  readonly gpus: number;
  readonly loads: readonly Load[];
  /** Prompts of the polling client; 0: it is not measured. */
  readonly polled: number;
  readonly redisUrl: string;
  readonly workflowsDir: string;
  readonly onProgress: (text: string) => void;
}

/** Prompts before anything is measured: connections are open, and V8 has optimised what a prompt runs through. */
const WARM_UP_PROMPTS = 1000;

/** The same GPUs fed directly and through the service, one after the other for every load. */
export function measureThroughput(all: Scope, options: ThroughputOptions): Promise<Throughput[]> {
  const { loads, polled, redisUrl, workflowsDir, onProgress } = options;
  return all.inner(async (scope) => {
    const gpus = await Promise.all(Array.from({ length: options.gpus }, () => startGpu(scope)));
    const urls = gpus.map(({ url }) => url);
    const stack = await startProductionStack(scope, { redisUrl, workflowsDir });
    await stack.startWorker('bench', urls);
    const direct = await directFeed(scope, urls);
    const service = serviceFeed(stack.url, gpus.length);
    const measure = async (feed: typeof direct, { promptMs, each }: Load) =>
      usageOf(await measureBacklog({ gpus, feed, promptMs, count: each * gpus.length }));
    const warmUp = { promptMs: 0, each: Math.ceil(WARM_UP_PROMPTS / gpus.length), rounds: 1 };
    for (const feed of [direct, service]) await measure(feed, warmUp);
    const bothWays = async (load: Load) => {
      const ofDirect: Usage[] = [];
      const ofService: Usage[] = [];
      for (let round = 0; round < load.rounds; round++) {
        ofDirect.push(await measure(direct, load));
        ofService.push(await measure(service, load));
      }
      return { direct: typical(ofDirect), service: typical(ofService) };
    };
    const measured: Throughput[] = [];
    for (const load of loads) {
      onProgress(`${gpus.length} × ${load.promptMs} ms`);
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

/** The one with the median throughput, so that a moment's disturbance does not count. */
function typical(rounds: readonly Usage[]): Usage {
  const middle = median(rounds.map(({ promptsPerSecond }) => promptsPerSecond));
  return rounds.find(({ promptsPerSecond }) => promptsPerSecond === middle) as Usage;
}

async function poll(scope: Scope, gpu: Gpu, count: number): Promise<Usage> {
  const since = Date.now();
  await pollClient(scope, gpu.url, count);
  return usageOf(executionsIn(gpu.journal(), since));
}

/** How often the journals are read meanwhile; reading costs the machine that is being measured. */
const LOOK_MS = 250;
/** Beyond the ideal time, for giving up. */
const PATIENCE_MS = 60_000;

export interface Backlog {
  readonly gpus: readonly Gpu[];
  readonly feed: Feed;
  readonly promptMs: number;
  /** Prompts for all GPUs together. */
  readonly count: number;
}

/**
 * What the GPUs do with a backlog: they are held by one prompt each until everything is handed over, then let go. So
 * neither the accepting of the prompts nor the warming up is measured.
 */
export async function measureBacklog({ gpus, feed, promptMs, count }: Backlog): Promise<Execution[]> {
  for (const gpu of gpus) {
    await gpu.clear();
    await gpu.pace(promptMs);
    await gpu.hang();
  }
  const release = await feed.occupy();
  const isHeld = (gpu: Gpu) => gpu.journal().at(-1)?.event === 'start';
  await until('every GPU executes something', () => gpus.every(isHeld), { everyMs: 50 });
  await feed.submit(count);
  const since = Date.now();
  await release();
  const executions = () => gpus.flatMap((gpu) => executionsIn(gpu.journal(), since));
  const withinMs = (promptMs * count) / gpus.length + PATIENCE_MS;
  await until(`${count} prompts are executed`, () => executions().length >= count, { everyMs: LOOK_MS, withinMs });
  await feed.done();
  const all = executions();
  if (all.length !== count) throw new Error(`${count} prompts were handed over and ${all.length} were executed`);
  return all;
}

/** Recorded from a real ComfyUI 0.3.64: what 64×64 EmptyImage → SaveImage costs it when all are handed over at once. */
export const FIXED_COST_MS = 2.8;

const shown = (promptMs: number) => (promptMs === FIXED_COST_MS ? `0 (${FIXED_COST_MS})` : `${promptMs}`);

export function throughputTable(rows: readonly Throughput[]): string {
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

/** Share of direct feeding that the service has to reach, by the time of a prompt. */
const LEAST_RATIO: ReadonlyMap<number, number> = new Map([
  [50, 0.95],
  [200, 0.98],
  [1000, 0.99],
]);

export function throughputGoals(rows: readonly Throughput[]): Goal[] {
  const goals = rows.map(({ gpus, promptMs, direct, service }): Goal => {
    const what = `${gpus} × ${shown(promptMs)} ms: `;
    const limit = LEAST_RATIO.get(promptMs);
    if (limit !== undefined) {
      return { what: `${what}service ÷ direct`, value: ratio(service, direct), unit: '', bound: 'at least', limit };
    }
    const value = perPrompt(service) - perPrompt(direct);
    return { what: `${what}added to a prompt`, value, unit: 'ms', bound: 'at most', limit: 3 };
  });
  const at200 = rows.filter(({ promptMs }) => promptMs === 200);
  const one = at200.find(({ gpus }) => gpus === 1);
  const four = at200.find(({ gpus }) => gpus === 4);
  if (one === undefined || four === undefined) return goals;
  const value = four.service.promptsPerSecond / (4 * one.service.promptsPerSecond);
  return [...goals, { what: 'four GPUs ÷ four times one, 200 ms', value, unit: '', bound: 'at least', limit: 0.95 }];
}
