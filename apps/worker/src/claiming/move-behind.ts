import type { JobRecord } from '@comfy-fleet/jobs';
import { canRun, type KnownWorkflows, modelsOfJob } from '../instance/known-workflows.js';
import { subjectOf } from '../instance/scope.js';
import type { Slot, Slots } from '../slots/slots.js';

export interface Movable {
  /** Whether the instance can run the job. */
  readonly able: (record: JobRecord, slots: Slots) => boolean;
  /** How long the instance would load for the job, in ms. */
  readonly loadMs: (record: JobRecord, slots: Slots) => number;
  /** Whether operators have paused the pool. Its jobs then go back to the queue and not to another instance. */
  readonly isPaused: (pool: string) => boolean;
  /** How long a job that was moved stays with its new instance (MODEL_PATIENCE_SECONDS). */
  readonly patienceMs: number;
}

/** Whether an instance may take over a job: it can run it, takes jobs of its key, does not rest for it, and did not fail it. */
export function ableToTake(workflows: KnownWorkflows): Movable['able'] {
  return (record, { instance, fullKeys }) =>
    canRun(record, instance, workflows) &&
    !fullKeys.includes(record.key) &&
    instance.health.permits(subjectOf(record)) !== 'no' &&
    !record.faults.some((fault) => fault.instance === instance.name);
}

export function loadingTime(workflows: KnownWorkflows): Movable['loadMs'] {
  return ({ request }, { instance }) => instance.models.loadMs(modelsOfJob(workflows, request));
}

/**
 * Moves a waiting job to an idle instance: the one that would begin last, of those that would wait longer than the idle
 * instance loads for them. While the queue may have jobs, a job that needs loading moves only if it would wait longer
 * than the patience; otherwise the idle instance would load models that another one holds, instead of models for a new
 * job. Answers whether a job moves.
 */
export function moveBehind(
  all: readonly Slots[],
  { able, loadMs, isPaused, patienceMs }: Movable,
  queue: 'may have jobs' | 'has none',
): boolean {
  const leastWaitMs = queue === 'has none' ? 0 : patienceMs;
  for (const idle of all.filter(({ isIdle }) => isIdle)) {
    const gains = ({ record, waitMs = 0 }: Slot) => {
      const load = loadMs(record, idle);
      return load === 0 || (load < waitMs && waitMs > leastWaitMs);
    };
    const isSettled = ({ movedAt }: Slot) => movedAt !== null && Math.abs(Date.now() - movedAt) < patienceMs;
    const behind = all
      .flatMap((slots) => slots.behind)
      .filter((slot) => !isPaused(slot.record.pool) && !isSettled(slot) && able(slot.record, idle) && gains(slot));
    const last = behind.sort((a, b) => (a.waitMs ?? 0) - (b.waitMs ?? 0)).at(-1);
    if (last === undefined) continue;
    last.takeBack(idle);
    return true;
  }
  return false;
}
