import { readTestSettings } from '@comfy-fleet/config';
import { startRedisServer } from '@comfy-fleet/testing';
import type { Goal } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { emptyImageWorkflows } from '../../lib/small-job.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { finishGoals, finishTable, measureFinish } from './finish.js';
import { manyGoals, manyTable, measureMany } from './many-gpus.js';
import { measureReal, realGoals, realTable } from './real-comfyui.js';
import { FIXED_COST_MS, measureThroughput, throughputGoals, throughputTable } from './throughput.js';

const USAGE = `npm run bench:gpu -- [--quick] [--no-goals]
  --quick     fewer prompts: to see that it works, not to compare numbers
  --no-goals  exit code 0 even when a goal is missed
With COMFYUI_URL set it measures that ComfyUI, which must be idle, instead of simulated ones.`;

/** How busy the service keeps its GPUs. */
export function benchGpu(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runMeasurement({ usage: USAGE, measure }, args, signal);
}

async function measure(scope: Scope, options: MeasureOptions): Promise<Goal[]> {
  const { COMFYUI_URL: url } = readTestSettings();
  const redis = await startRedisServer();
  scope.onClose(() => redis.close());
  const all = { ...options, redisUrl: redis.url };
  return url === undefined ? benchSimulated(scope, all) : benchReal(scope, { ...all, url });
}

export interface SimulatedBench extends MeasureOptions {
  readonly redisUrl: string;
}

/** How much of everything: about four minutes, or one. */
const FULL = { loads: [300, 50, 30, 8], rounds: 3, polled: 4, finishes: 30, each: 8 };
const QUICK = { loads: [150, 20, 8, 3], rounds: 1, polled: 2, finishes: 8, each: 3 };

/** Everything that is measured on simulated GPUs. Prints tables and answers the goals. */
export function benchSimulated(all: Scope, { quick, redisUrl, print }: SimulatedBench): Promise<Goal[]> {
  const { loads, rounds, polled, finishes, each } = quick ? QUICK : FULL;
  const [none = 0, short = 0, medium = 0, long = 0] = loads;
  const onProgress = (text: string) => print(`measuring ${text}`);
  return all.inner(async (scope) => {
    const workflowsDir = await emptyImageWorkflows(scope);
    const rows = [];
    for (const gpus of [1, 4]) {
      const measured = await measureThroughput(scope, {
        gpus,
        loads: [
          { promptMs: FIXED_COST_MS, each: none, rounds },
          { promptMs: 50, each: short, rounds },
          { promptMs: 200, each: medium, rounds: 1 },
          { promptMs: 1000, each: long, rounds: 1 },
        ],
        polled: gpus === 1 ? polled : 0,
        redisUrl,
        workflowsDir,
        onProgress,
      });
      rows.push(...measured);
    }
    onProgress('the way from ComfyUI to succeeded');
    const finish = await measureFinish(scope, { count: finishes, redisUrl });
    onProgress('64 instances');
    const many = await measureMany(scope, { gpus: 64, promptMs: 1000, each, redisUrl, workflowsDir });
    print(throughputTable(rows));
    print(finishTable(finish));
    print(manyTable(many));
    return [...throughputGoals(rows), ...finishGoals(finish), ...manyGoals(many)];
  });
}

export interface RealBench extends MeasureOptions {
  readonly url: string;
  readonly redisUrl: string;
}

const FULL_REAL = { count: 500, polled: 5, finishes: 30 };
const QUICK_REAL = { count: 100, polled: 2, finishes: 8 };

/** Everything that is measured on a real ComfyUI. Prints a table and answers the goals. */
export async function benchReal(scope: Scope, { url, quick, redisUrl, print }: RealBench): Promise<Goal[]> {
  const real = await measureReal(scope, { url, redisUrl, ...(quick ? QUICK_REAL : FULL_REAL) });
  print(realTable(real));
  return realGoals(real);
}
