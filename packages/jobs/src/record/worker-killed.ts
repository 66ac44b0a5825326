import type { JobError } from './record.js';

/** The error of a job whose holders died as often as they may. */
export function workerKilled(deaths: number): JobError {
  const detail = `The worker died ${deaths} times while it held this job, so it is not tried again.`;
  return { code: 'worker_killed', detail, nodeId: null };
}
