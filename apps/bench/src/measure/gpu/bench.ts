import { readTestSettings } from '@comfy-fleet/config';
import { startRedisServer } from '@comfy-fleet/testing';
import type { Goal } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { emptyImageWorkflows } from '../../lib/small-job.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { measureFinish } from './finish.js';
import { measureManyGpus } from './many-gpus.js';
import { measureAllPictures } from './pictures/pictures.js';
import { measureRealComfyui } from './real-comfyui.js';
import { FIXED_COST_MS, measureThroughput } from './throughput.js';

const SECTIONS = ['throughput', 'finish', 'many', 'pictures'] as const;
const USAGE = `npm run bench:gpu -- [--quick] [--no-goals] [--section NAME]
  --quick     runs fewer prompts, to check that the benchmark works, not to compare numbers
  --no-goals  exits with 0 even if a goal is missed
  --section   measures only one of ${SECTIONS.join(', ')}
With COMFYUI_URL set it measures that ComfyUI, which must be idle, instead of simulated ones.`;

/** Measures how busy the service keeps its GPUs. */
export function benchGpu(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runMeasurement({ usage: USAGE, sections: SECTIONS, measure }, args, signal);
}

/** How much is measured, in about six minutes or two. */
const FULL = {
  loads: [300, 50, 30, 8],
  rounds: 3,
  polled: 4,
  finishes: 30,
  each: 8,
  pictures: { rounds: 2, trace: 240 },
};
const QUICK = {
  loads: [150, 20, 8, 3],
  rounds: 1,
  polled: 2,
  finishes: 8,
  each: 3,
  pictures: { rounds: 1, trace: 60 },
};
const FULL_REAL = { count: 500, polled: 5, finishes: 30 };
const QUICK_REAL = { count: 100, polled: 2, finishes: 8 };

async function measure(scope: Scope, { quick, section, print }: MeasureOptions): Promise<Goal[]> {
  const { COMFYUI_URL: url } = readTestSettings();
  if (url !== undefined && section !== undefined) {
    throw new TypeError('--section measures simulated ComfyUIs; unset COMFYUI_URL');
  }
  const redis = await startRedisServer();
  scope.onClose(() => redis.close());
  const options = { redisUrl: redis.url, print };
  return url === undefined
    ? measureSimulated(scope, { ...options, section, ...(quick ? QUICK : FULL) })
    : measureRealComfyui(scope, { ...options, url, ...(quick ? QUICK_REAL : FULL_REAL) });
}

type SimulatedOptions = typeof FULL & Pick<MeasureOptions, 'section' | 'print'> & { readonly redisUrl: string };

function measureSimulated(
  all: Scope,
  { loads, rounds, polled, finishes, each, pictures, section: only, ...shared }: SimulatedOptions,
): Promise<Goal[]> {
  const [none = 0, short = 0, medium = 0, long = 0] = loads;
  return all.inner(async (scope) => {
    const options = { ...shared, workflowsDir: await emptyImageWorkflows(scope) };
    const sections: Record<(typeof SECTIONS)[number], () => Promise<Goal[]>> = {
      throughput: () =>
        measureThroughput(scope, {
          ...options,
          gpus: [1, 4],
          polled,
          loads: [
            { promptMs: FIXED_COST_MS, each: none, rounds },
            { promptMs: 50, each: short, rounds },
            { promptMs: 200, each: medium, rounds: 1 },
            { promptMs: 1000, each: long, rounds: 1 },
          ],
        }),
      finish: () => measureFinish(scope, { ...options, count: finishes }),
      many: () => measureManyGpus(scope, { ...options, gpus: 64, promptMs: 1000, each }),
      pictures: () => measureAllPictures(scope, { ...shared, ...pictures }),
    };
    const goals: Goal[] = [];
    for (const name of SECTIONS) if (only === undefined || only === name) goals.push(...(await sections[name]()));
    return goals;
  });
}
