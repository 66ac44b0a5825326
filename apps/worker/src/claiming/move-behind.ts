import type { JobRecord } from '@comfy-fleet/jobs';
import type { Slots } from '../instance/slots.js';

export interface Movable {
  /** Whether the instance can run the job. */
  readonly able: (record: JobRecord, slots: Slots) => boolean;
  /** Operators have paused the pool: its jobs go back into the queue, not to another instance. */
  readonly isPaused: (pool: string) => boolean;
}

/** Has the job that would begin last move to an idle instance. Answers whether one was found. */
export function moveBehind(all: readonly Slots[], { able, isPaused }: Movable): boolean {
  for (const idle of all.filter(({ isIdle }) => isIdle)) {
    const behind = all
      .flatMap((slots) => slots.behind)
      .filter(({ record }) => !isPaused(record.pool) && able(record, idle));
    const last = behind.sort((a, b) => (a.slots.waitOf(a) ?? 0) - (b.slots.waitOf(b) ?? 0)).at(-1);
    if (last === undefined) continue;
    last.takeBack(idle);
    return true;
  }
  return false;
}
