import type { Lane } from '../instance/lanes.js';
import type { HeldJob } from '../job/held-job.js';

export interface Movable {
  /** Whether the lane can run the job. */
  readonly able: (job: HeldJob, lane: Lane) => boolean;
  /** Operators have paused the pool: its jobs go back into the queue, not to another lane. */
  readonly isPaused: (pool: string) => boolean;
}

/** Has the job that would begin last move to an idle lane. Answers whether one was found. */
export function moveBehind(lanes: readonly Lane[], { able, isPaused }: Movable): boolean {
  const mayMove = (job: HeldJob, idle: Lane) => !isPaused(job.record.pool) && able(job, idle);
  for (const idle of lanes.filter(({ isIdle }) => isIdle)) {
    const behind = lanes.flatMap((lane) => lane.behind.filter((job) => mayMove(job, idle)));
    const last = behind.sort((a, b) => (a.lane.waitOf(a) ?? 0) - (b.lane.waitOf(b) ?? 0)).at(-1);
    if (last === undefined) continue;
    last.takeBack(idle);
    return true;
  }
  return false;
}
