import { join } from 'node:path';
import { startSimulator } from '@comfy-fleet/testing';
import { cpuShare, watchProcess } from '../../lib/process-usage.js';
import { startProductionStack } from '../../lib/production-stack.js';
import type { Scope } from '../../lib/scope.js';
import type { Gpu } from '../../lib/simulated-gpu.js';
import { directFeed } from './direct-feed.js';
import { measureBacklog } from './measure-backlog.js';
import { serviceFeed } from './service-feed.js';
import { type Usage, usageOf } from './usage.js';

export interface Many {
  readonly gpus: number;
  readonly direct: Usage;
  readonly service: Usage;
  /** Of the worker's process; undefined where the kernel does not tell. */
  readonly peakBytes: number | undefined;
  /** Of one core, while the prompts were executed. */
  readonly cpu: number | undefined;
}

export interface ManyOptions {
  readonly gpus: number;
  readonly promptMs: number;
  readonly each: number;
  readonly redisUrl: string;
  readonly workflowsDir: string;
}

/** One worker process with very many GPUs. */
export function measureMany(
  all: Scope,
  { gpus: number, promptMs, each, redisUrl, workflowsDir }: ManyOptions,
): Promise<Many> {
  return all.inner(async (scope) => {
    const gpus: Gpu[] = [];
    while (gpus.length < number) gpus.push(await gpuInThisProcess(scope));
    const urls = gpus.map(({ url }) => url);
    const count = each * number;
    const direct = usageOf(await measureBacklog({ gpus, feed: await directFeed(scope, urls), promptMs, count }));
    const stack = await startProductionStack(scope, { redisUrl, workflowsDir });
    const { pid } = await stack.startWorker('bench', urls);
    const samples = watchProcess(scope, pid);
    const executions = await measureBacklog({ gpus, feed: serviceFeed(stack.url, number), promptMs, count });
    const from = Math.min(...executions.map(({ startedAt }) => startedAt));
    const to = Math.max(...executions.map(({ endedAt }) => endedAt));
    return {
      gpus: number,
      direct,
      service: usageOf(executions),
      peakBytes: samples.at(-1)?.peakBytes,
      cpu: cpuShare(samples, from, to),
    };
  });
}

/** So many processes would need the machine for themselves; this one has nothing else to do. */
async function gpuInThisProcess(scope: Scope): Promise<Gpu> {
  const simulator = await startSimulator({ previewMethod: 'none' });
  scope.onClose(() => simulator.close());
  simulator.set({ journal: join(simulator.dir, 'journal.jsonl') });
  return {
    url: simulator.url,
    journal: () => simulator.journal(),
    pace: async (promptMs) => simulator.set({ promptMs }),
    hang: async () => {
      simulator.faults.add({ kind: 'hang', times: 1 });
    },
    // few pictures, and none of the measurements follows another one in the same folder
    clear: async () => undefined,
  };
}
