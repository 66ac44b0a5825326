import { join } from 'node:path';
import { startSimulator } from '@comfy-fleet/testing';
import { type Goal, table } from '../../lib/report.js';
import { cpuShare, watchProcess } from '../../lib/resource-usage.js';
import type { Scope } from '../../lib/scope.js';
import { type Gpu, startProductionStack } from '../../lib/stack.js';
import { ratio, type Usage, usageOf } from './executions.js';
import { directFeed, serviceFeed } from './feeds.js';
import { measureBacklog } from './throughput.js';

export interface Many {
  readonly gpus: number;
  readonly direct: Usage;
  readonly service: Usage;
  /** Peak memory of the worker; undefined on systems other than Linux. */
  readonly peakBytes: number | undefined;
  /** The share of one core that the worker used while the prompts were executed. */
  readonly cpu: number | undefined;
}

export interface ManyOptions {
  readonly gpus: number;
  readonly promptMs: number;
  readonly each: number;
  readonly redisUrl: string;
  readonly workflowsDir: string;
  readonly print: (text: string) => void;
}

/** Measures one worker process with very many GPUs. */
export async function measureManyGpus(scope: Scope, options: ManyOptions): Promise<Goal[]> {
  options.print(`measuring ${options.gpus} instances`);
  const many = await measure(scope, options);
  options.print(manyTable(many));
  return manyGoals(many);
}

function measure(all: Scope, { gpus: number, promptMs, each, redisUrl, workflowsDir }: ManyOptions): Promise<Many> {
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

/** The simulator runs in this process: one process for each GPU would overload the machine. */
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
    // not needed, as there are few pictures and each measurement has its own folder
    clear: async () => undefined,
  };
}

const MIB = 1024 ** 2;

function manyTable({ gpus, direct, service, peakBytes, cpu }: Many): string {
  return table(
    'One worker process with many instances of 1 s prompts (the simulators run in the benchmark’s own process)',
    ['GPUs', 'prompts', 'direct', 'service', 'ratio', 'busy', 'gap p50', 'longest', 'peak MiB', 'core'],
    [
      [
        `${gpus}`,
        `${service.prompts}`,
        direct.promptsPerSecond.toFixed(2),
        service.promptsPerSecond.toFixed(2),
        ratio(service, direct).toFixed(3),
        `${(100 * service.busy).toFixed(1)} %`,
        `${service.medianGapMs}`,
        `${service.longestGapMs}`,
        peakBytes === undefined ? 'unknown' : (peakBytes / MIB).toFixed(0),
        cpu === undefined ? 'unknown' : `${(100 * cpu).toFixed(0)} %`,
      ],
    ],
  );
}

/** Lower than for few GPUs, because the simulators share the machine's cores with the worker. */
const MANY_RATIO = 0.95;

function manyGoals({ gpus, direct, service, peakBytes, cpu }: Many): Goal[] {
  const what = `${gpus} GPUs, one worker: `;
  const goals: Goal[] = [
    { what: `${what}service ÷ direct`, value: ratio(service, direct), unit: '', bound: 'at least', limit: MANY_RATIO },
  ];
  if (peakBytes !== undefined) {
    goals.push({ what: `${what}memory`, value: peakBytes / MIB, unit: 'MiB', bound: 'less than', limit: 250 });
  }
  if (cpu !== undefined) goals.push({ what: `${what}cores`, value: cpu, unit: '', bound: 'less than', limit: 1 });
  return goals;
}
