import type { Me } from '@comfy-fleet/contracts';
import type { Caller } from '../../server/caller.js';

/** What a key may do, as answers show it: nothing that is secret. */
export function presentKey(caller: Caller): Omit<Me, 'key'> {
  const { scopes, weight, maxPriority, workflows, limits, gpuSecondsPerDay, gpuLimits, maxGpuSeconds } = caller;
  return {
    rights: [...scopes],
    weight,
    max_priority: maxPriority ?? null,
    workflows: workflows === undefined ? null : [...workflows],
    limits: {
      requests_per_minute: limits?.requestsPerMinute ?? null,
      jobs_waiting: limits?.jobsWaiting ?? null,
      jobs_running: limits?.jobsRunning ?? null,
      upload_bytes_per_day: limits?.uploadBytesPerDay ?? null,
      max_gpu_seconds_per_day: gpuSecondsPerDay ?? null,
      max_gpu_seconds: maxGpuSeconds ?? null,
      max_steps: gpuLimits.maxSteps ?? null,
      max_size: gpuLimits.maxSize ?? null,
      max_count: gpuLimits.maxCount ?? null,
      max_pixels: gpuLimits.maxJobPixels ?? null,
    },
  };
}
