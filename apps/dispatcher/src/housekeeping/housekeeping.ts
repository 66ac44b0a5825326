import { fresh } from '@comfy-fleet/contracts';
import type { Keeper } from '@comfy-fleet/jobs';
import { every } from '@comfy-fleet/telemetry';
import { type Retention, retain } from './retention.js';
import { deleteUnusedPayloads } from './unused-payloads.js';

export interface Housekeeping extends Retention {
  readonly keeper: Keeper;
  readonly sweepSeconds: number;
  /** How often it is noted how the fleet fares. */
  readonly stepSeconds: number;
  /** Replicas that must have a new job before it is acknowledged; 0: none. */
  readonly replicasWanted: number;
}

/** Longest look at the disk of the pictures; alerts are judged without it. */
const SPACE_TIMEOUT_MS = 3000;

/**
 * Keeps the ledger and the pictures in order, again and again until the signal aborts. Several dispatchers may do it;
 * mostly one of them does each task. Each promise resolves when its last run is over.
 */
export function startHousekeeping(housekeeping: Housekeeping): Promise<void>[] {
  const { keeper, frames, retention, sweepSeconds, stepSeconds, replicasWanted, signal, log } = housekeeping;
  const until = { signal, log };
  const seldomMs = retention.housekeepingSeconds * 1000;
  /** A run that takes longer than three intervals gets company, which does no harm. */
  const alone =
    (name: string, task: () => Promise<void>, everyMs = seldomMs) =>
    async () => {
      if (await keeper.takes(name, 3 * everyMs)) await task();
    };
  const prune = async () => {
    const count = await keeper.pruneIndexes();
    if (count > 0) log.debug('pruned indexes of jobs', { count });
  };
  // Each look at a volume that hangs keeps a thread, so there is one at most.
  const space = fresh(0, () => frames.freeBytes(), SPACE_TIMEOUT_MS);
  const sample = async () => {
    const freeBytes = await space.now().catch(() => undefined);
    await keeper.sample({ freeBytes, replicasWanted, stepSeconds });
  };
  return [
    every(stepSeconds * 1000, 'noting how the fleet fares', alone('sample', sample, stepSeconds * 1000), until),
    every(sweepSeconds * 1000, 'sweeping', () => keeper.sweep(), until),
    every(
      seldomMs,
      'deleting old pictures',
      alone('retention', () => retain(housekeeping)),
      until,
    ),
    every(seldomMs, 'pruning indexes', alone('indexes', prune), until),
    every(
      seldomMs,
      'deleting large graphs of jobs',
      alone('payloads', () => deleteUnusedPayloads(housekeeping)),
      until,
    ),
  ];
}
