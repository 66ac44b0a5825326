import type { JobRecord } from '@comfy-fleet/jobs';
import { canRun, modelsOfJob } from '../instance/can-run.js';
import type { KnownWorkflows } from '../instance/known-workflows.js';
import { subjectOf } from '../instance/scope.js';
import type { Slot, Slots } from '../slots/slots.js';

export interface Movable {
  /** Whether the instance can run the job. */
  readonly able: (record: JobRecord, slots: Slots) => boolean;
  /** How long the instance would load for the job, in ms. */
  readonly loadMs: (record: JobRecord, slots: Slots) => number;
  /** Operators have paused the pool: its jobs go back into the queue, not to another instance. */
  readonly isPaused: (pool: string) => boolean;
  /** For how long a job that was moved stays where it came to (MODEL_PATIENCE_SECONDS). */
  readonly patienceMs: number;
}

/** Whether an instance may be given a job that waits in another one: it can run it, is trusted with it, and did not fail it. */
export function ableToTake(workflows: KnownWorkflows): Movable['able'] {
  return (record, { instance }) =>
    canRun(record, instance, workflows) &&
    instance.health.permits(subjectOf(record)) !== 'no' &&
    !record.faults.some((fault) => fault.instance === instance.name);
}

export function loadingTime(workflows: KnownWorkflows): Movable['loadMs'] {
  return ({ request }, { instance }) => instance.models.loadMs(modelsOfJob(workflows, request));
}

/**
 * Has the job that would begin last move to an idle instance, of those for which that has to load less long than they
 * would wait where they are. While other jobs may be in the queue, a job for which it has to load moves only if it would
 * wait longer than the patience: a second instance would load models that the first one holds, instead of new ones.
 * Answers whether one was found.
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
