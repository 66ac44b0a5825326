import { startProductionStack } from '../../lib/production-stack.js';
import type { Scope } from '../../lib/scope.js';
import { type Gpu, startGpu } from '../../lib/simulated-gpu.js';
import { median } from '../../lib/statistics.js';
import { directFeed } from './direct-feed.js';
import { executionsIn } from './executions.js';
import { measureBacklog } from './measure-backlog.js';
import { pollClient } from './poll-client.js';
import { serviceFeed } from './service-feed.js';
import { type Usage, usageOf } from './usage.js';

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
