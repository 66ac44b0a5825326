import { readTestSettings } from '@comfy-fleet/config';
import { startRedisServer } from '@comfy-fleet/testing';
import type { Goal } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { emptyImageWorkflows } from '../../lib/small-job.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { measureFinish } from './finish.js';
import { measureManyGpus } from './many-gpus.js';
import { measureRealComfyui } from './real-comfyui.js';
import { FIXED_COST_MS, measureThroughput } from './throughput.js';

const USAGE = `npm run bench:gpu -- [--quick] [--no-goals]
  --quick     runs fewer prompts, to check that the benchmark works, not to compare numbers
  --no-goals  exits with 0 even if a goal is missed
With COMFYUI_URL set it measures that ComfyUI, which must be idle, instead of simulated ones.`;

/** Measures how busy the service keeps its GPUs. */
export function benchGpu(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runMeasurement({ usage: USAGE, measure }, args, signal);
}

/** How much is measured, in about four minutes or one. */
const FULL = { loads: [300, 50, 30, 8], rounds: 3, polled: 4, finishes: 30, each: 8 };
const QUICK = { loads: [150, 20, 8, 3], rounds: 1, polled: 2, finishes: 8, each: 3 };
const FULL_REAL = { count: 500, polled: 5, finishes: 30 };
const QUICK_REAL = { count: 100, polled: 2, finishes: 8 };

async function measure(scope: Scope, { quick, print }: MeasureOptions): Promise<Goal[]> {
  const { COMFYUI_URL: url } = readTestSettings();
  const redis = await startRedisServer();
  scope.onClose(() => redis.close());
  const options = { redisUrl: redis.url, print };
  return url === undefined
    ? measureSimulated(scope, { ...options, ...(quick ? QUICK : FULL) })
    : measureRealComfyui(scope, { ...options, url, ...(quick ? QUICK_REAL : FULL_REAL) });
}

type SimulatedOptions = typeof FULL & { readonly redisUrl: string; readonly print: (text: string) => void };

function measureSimulated(
  all: Scope,
  { loads, rounds, polled, finishes, each, ...shared }: SimulatedOptions,
): Promise<Goal[]> {
  const [none = 0, short = 0, medium = 0, long = 0] = loads;
  return all.inner(async (scope) => {
    const options = { ...shared, workflowsDir: await emptyImageWorkflows(scope) };
    const throughput = await measureThroughput(scope, {
      ...options,
      gpus: [1, 4],
      polled,
      loads: [
        { promptMs: FIXED_COST_MS, each: none, rounds },
        { promptMs: 50, each: short, rounds },
        { promptMs: 200, each: medium, rounds: 1 },
        { promptMs: 1000, each: long, rounds: 1 },
      ],
    });
    const finish = await measureFinish(scope, { ...options, count: finishes });
    const many = await measureManyGpus(scope, { ...options, gpus: 64, promptMs: 1000, each });
    return [...throughput, ...finish, ...many];
  });
}
