import type { JobRecord } from '@comfy-fleet/jobs';
import type { Workflows } from '@comfy-fleet/workflows';
import { canRun } from '../instance/can-run.js';
import { subjectOf } from '../instance/scope.js';
import type { Slots } from '../instance/slots.js';

export interface Movable {
  /** Whether the instance can run the job. */
  readonly able: (record: JobRecord, slots: Slots) => boolean;
  /** Operators have paused the pool: its jobs go back into the queue, not to another instance. */
  readonly isPaused: (pool: string) => boolean;
}

/** Whether an instance may be given a job that waits in another one: it can run it, is trusted with it, and did not fail it. */
export function ableToTake(workflows: Workflows): Movable['able'] {
  return (record, { instance }) =>
    canRun(record, instance, workflows) &&
    instance.health.permits(subjectOf(record)) !== 'no' &&
    !record.faults.some((fault) => fault.instance === instance.name);
}

/** Has the job that would begin last move to an idle instance. Answers whether one was found. */
export function moveBehind(all: readonly Slots[], { able, isPaused }: Movable): boolean {
  for (const idle of all.filter(({ isIdle }) => isIdle)) {
    const behind = all
      .flatMap((slots) => slots.behind)
      .filter(({ record }) => !isPaused(record.pool) && able(record, idle));
    const last = behind.sort((a, b) => (a.waitMs ?? 0) - (b.waitMs ?? 0)).at(-1);
    if (last === undefined) continue;
    last.takeBack(idle);
    return true;
  }
  return false;
}
