import type { Job, JobProgress } from '@comfy-fleet/client';
import { duration, fitting } from '../text.js';

const CELLS = 24;
const LEAST_CELLS = 8;

/** A bar filled to `fraction` (0 to 1), followed by `parts`, in a line of at most `columns`. */
export function bar(fraction: number, parts: readonly string[], columns: number): string {
  const cells = Math.max(LEAST_CELLS, Math.min(CELLS, Math.floor(columns / 3)));
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * cells);
  return fitting(`${'█'.repeat(full)}${'░'.repeat(cells - full)} ${parts.join(' · ')}`, columns);
}

/** The progress of a job; `job` and `progress` are `age` seconds old. */
export function jobLine(job: Job, progress: JobProgress, age: number, columns: number): string {
  const seconds = (job.eta_seconds ?? 0) - age;
  const left = seconds < 1 ? [] : [`about ${duration(seconds)} left`];
  if (job.status === 'queued') {
    const { code, detail } = job.waiting_for ?? { code: 'turn', detail: '' };
    const place = placeOf(job.queue_position);
    return bar(0, [place, ...left, ...(code === 'turn' ? [] : [detail])], columns);
  }
  const { fraction, step, steps, node } = progress;
  const parts = [
    `${Math.floor(fraction * 100)} %`,
    ...(job.status === 'canceling' ? ['is being canceled'] : []),
    ...(step === null || steps === null ? [] : [`step ${step}/${steps}`]),
    ...left,
    ...(node === null ? [] : [node]),
  ];
  return bar(fraction, parts, columns);
}

function placeOf(before: number | null): string {
  if (before === null) return 'waits';
  return before === 0 ? 'waits, and is next' : `waits, ${before} before it`;
}
