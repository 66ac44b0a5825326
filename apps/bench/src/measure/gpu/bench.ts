import { readTestSettings } from '@comfy-fleet/config';
import { startRedisServer } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import type { Goal } from '../goals.js';
import { type MeasureOptions, runMeasurement } from '../measurement.js';
import { benchReal } from './real.js';
import { benchSimulated } from './simulated.js';

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
