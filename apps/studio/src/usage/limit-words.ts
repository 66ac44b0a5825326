import type { KeyList } from '@comfy-fleet/client';
import { bytes, count, gpuTime } from '../parts/amounts.js';

/** The limits of a key in a few words. */
export function limitsOf({ limits, max_priority, workflows }: KeyList['data'][number]): string {
  const { requests_per_minute, jobs_waiting, jobs_running, upload_bytes_per_day, max_gpu_seconds_per_day } = limits;
  const { max_gpu_seconds, max_steps, max_size, max_count, max_pixels } = limits;
  const words = [
    requests_per_minute === null ? [] : `${count(requests_per_minute)} requests/min`,
    jobs_waiting === null ? [] : `${count(jobs_waiting)} waiting`,
    jobs_running === null ? [] : `${count(jobs_running)} running`,
    max_gpu_seconds_per_day === null ? [] : `${gpuTime(max_gpu_seconds_per_day)} GPU a day`,
    max_gpu_seconds === null ? [] : `${gpuTime(max_gpu_seconds)} GPU a job`,
    max_steps === null ? [] : `${count(max_steps)} steps`,
    max_size === null ? [] : `${count(max_size)} px a side`,
    max_count === null ? [] : `${count(max_count)} pictures`,
    max_pixels === null ? [] : `${count(max_pixels)} px a job`,
    upload_bytes_per_day === null ? [] : `${bytes(upload_bytes_per_day)} uploads a day`,
    max_priority === null ? [] : `priority up to ${max_priority}`,
    workflows === null ? [] : `only ${workflows.join(', ')}`,
  ];
  return words.flat().join(' · ') || 'none';
}
