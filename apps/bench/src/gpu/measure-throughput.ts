import { directFeed } from './direct-feed.js';
import { executionsIn } from './executions.js';
import { type Gpu, startGpu } from './gpu.js';
import { measureBacklog } from './measure-backlog.js';
import { pollClient } from './poll-client.js';
import type { Scope } from './scope.js';
import { startBenchFleet } from './service.js';
import { serviceFeed } from './service-feed.js';
import { type Usage, usageOf } from './statistics.js';

/** The time of a prompt, and how many of them each GPU gets. */
export interface Load {
  readonly promptMs: number;
  readonly each: number;
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

/** Before anything is measured: connections are open, code is compiled. */
const WARM_UP = { promptMs: 0, each: 100 };

/** The same GPUs fed directly and through the service, one after the other for every load. */
export function measureThroughput(all: Scope, options: ThroughputOptions): Promise<Throughput[]> {
  const { loads, polled, redisUrl, workflowsDir, onProgress } = options;
  return all.inner(async (scope) => {
    const gpus = await Promise.all(Array.from({ length: options.gpus }, () => startGpu(scope)));
    const urls = gpus.map(({ url }) => url);
    const fleet = await startBenchFleet(scope, { redisUrl, workflowsDir });
    await fleet.startWorker('bench', urls);
    const direct = await directFeed(scope, urls);
    const service = serviceFeed(fleet.url, gpus.length);
    const measure = async (feed: typeof direct, { promptMs, each }: Load) =>
      usageOf(await measureBacklog({ gpus, feed, promptMs, count: each * gpus.length }));
    for (const feed of [direct, service]) await measure(feed, WARM_UP);
    const measured: Throughput[] = [];
    for (const load of loads) {
      onProgress(`${gpus.length} × ${load.promptMs} ms`);
      measured.push({
        gpus: gpus.length,
        promptMs: load.promptMs,
        direct: await measure(direct, load),
        service: await measure(service, load),
        poll: polled === 0 ? undefined : await poll(scope, gpus[0] as Gpu, polled),
      });
    }
    return measured;
  });
}

async function poll(scope: Scope, gpu: Gpu, count: number): Promise<Usage> {
  const since = Date.now();
  await pollClient(scope, gpu.url, count);
  return usageOf(executionsIn(gpu.journal(), since));
}
