import type { JobSnapshot } from '../record/record.js';
import { expectedMs, signatureOf } from '../record/signature.js';
import type { PoolOverview } from './fleet.js';

/** Progress below this says too little about how long the rest takes. */
const TELLING_FRACTION = 0.1;

/**
 * In how many seconds the job is expected to end: what its pool takes for those before it, and then for itself. Null
 * when it ended or is being canceled, while nothing was learned of its kind, while no instance of the pool is up, and, of a job that has not begun, while the
 * pool is paused.
 */
export function etaSeconds({ record, ahead }: JobSnapshot, pool: PoolOverview | undefined, now: number): number | null {
  const own = pool && expectedMs(signatureOf(record.request), pool.durations);
  if (own === undefined || pool === undefined || pool.instances === 0) return null;
  if (record.status === 'running')
    return seconds(remainingMs(record.progress.fraction, now - (record.startedAt ?? now), own));
  if (record.status !== 'queued' || pool.paused) return null;
  const each = pool.backlog.jobs > 0 ? pool.backlog.ms / pool.backlog.jobs : own;
  // When every instance is busy, the first to be free is on average half through.
  const untilFree = pool.running + pool.occupied >= pool.instances ? each / 2 / pool.instances : 0;
  return seconds(untilFree + ((ahead ?? 0) * each) / pool.instances + own);
}

function remainingMs(fraction: number, elapsedMs: number, expected: number): number {
  if (fraction >= TELLING_FRACTION) return (elapsedMs * (1 - fraction)) / fraction;
  return expected - elapsedMs;
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
