import type { FleetHistory } from '@comfy-fleet/client';

const MINUTE_MS = 60_000;

export interface Slot {
  /** The start of the minute, in ms since 1970. */
  readonly at: number;
  readonly minute: Minute | undefined;
}

/** The samples of one minute, combined. */
export interface Minute {
  /** Values at the end of the minute. */
  readonly waiting: number;
  readonly running: number;
  readonly up: number;
  /** Jobs that ended in the minute. */
  readonly completed: number;
  readonly failed: number;
  readonly canceled: number;
  /** Busy GPUs by key: GPU seconds per second. */
  readonly gpus: Readonly<Record<string, number>>;
}

/** How many minutes a chart shows. */
const MINUTES = 60;

/** The hour up to the last sample, oldest first; minutes without samples are undefined. Empty without any sample. */
export function minutesOf({ samples, step_seconds }: FleetHistory): readonly Slot[] {
  const groups = new Map<number, FleetHistory['samples']>();
  for (const sample of samples) {
    const at = Math.floor(Date.parse(sample.at) / MINUTE_MS) * MINUTE_MS;
    groups.set(at, [...(groups.get(at) ?? []), sample]);
  }
  if (groups.size === 0) return [];
  const last = Math.max(...groups.keys());
  return Array.from({ length: MINUTES }, (_one, index) => {
    const at = last - (MINUTES - 1 - index) * MINUTE_MS;
    const group = groups.get(at);
    return { at, minute: group && minuteOf(group, step_seconds) };
  });
}

function minuteOf(group: FleetHistory['samples'], step: number): Minute {
  const last = group.at(-1);
  const sum = (of: (sample: FleetHistory['samples'][number]) => number) => group.reduce((all, one) => all + of(one), 0);
  const gpus: Record<string, number> = {};
  for (const { gpu_seconds } of group) {
    for (const [key, seconds] of Object.entries(gpu_seconds)) {
      gpus[key] = (gpus[key] ?? 0) + Number(seconds) / (group.length * step);
    }
  }
  return {
    waiting: last?.waiting ?? 0,
    running: last?.running ?? 0,
    up: last?.instances_up ?? 0,
    completed: sum(({ completed }) => completed),
    failed: sum(({ failed }) => failed),
    canceled: sum(({ canceled }) => canceled),
    gpus,
  };
}

/** All keys by GPU time, largest first; `other` is last. */
export function keysOf(slots: readonly Slot[]): readonly string[] {
  const sums = new Map<string, number>();
  for (const { minute } of slots) {
    for (const [key, share] of Object.entries(minute?.gpus ?? {})) sums.set(key, (sums.get(key) ?? 0) + share);
  }
  const isOther = (key: string) => (key === 'other' ? 1 : 0);
  return [...sums.keys()].sort((a, b) => isOther(a) - isOther(b) || (sums.get(b) ?? 0) - (sums.get(a) ?? 0));
}
