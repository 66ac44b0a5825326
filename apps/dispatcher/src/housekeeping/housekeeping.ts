import type { Keeper } from '@comfy-fleet/jobs';
import { every } from '@comfy-fleet/telemetry';
import { type Retention, retain } from './retention.js';

export interface Housekeeping extends Retention {
  readonly keeper: Keeper;
  readonly sweepSeconds: number;
}

/**
 * Keeps the ledger and the pictures in order, again and again until the signal aborts. Several dispatchers may do it;
 * mostly one of them does each task. Each promise resolves when its last run is over.
 */
export function startHousekeeping(housekeeping: Housekeeping): Promise<void>[] {
  const { keeper, retention, sweepSeconds, signal, log } = housekeeping;
  const until = { signal, log };
  const seldomMs = retention.housekeepingSeconds * 1000;
  /** A run that takes longer than three intervals gets company, which does no harm. */
  const alone = (name: string, task: () => Promise<void>) => async () => {
    if (await keeper.takes(name, 3 * seldomMs)) await task();
  };
  const prune = async () => {
    const count = await keeper.pruneIndexes();
    if (count > 0) log.debug('pruned indexes of jobs', { count });
  };
  return [
    every(sweepSeconds * 1000, 'sweeping', () => keeper.sweep(), until),
    every(
      seldomMs,
      'deleting old pictures',
      alone('retention', () => retain(housekeeping)),
      until,
    ),
    every(seldomMs, 'pruning indexes', alone('indexes', prune), until),
  ];
}
