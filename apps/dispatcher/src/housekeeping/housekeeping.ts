import { fresh } from '@comfy-fleet/contracts';
import type { Keeper, Task } from '@comfy-fleet/jobs';
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

/** What keeps the ledger and the pictures in order. */
export function housekeepingTasks(housekeeping: Housekeeping): Task[] {
  const { keeper, frames, retention, sweepSeconds, stepSeconds, replicasWanted } = housekeeping;
  const seldomMs = retention.housekeepingSeconds * 1000;
  // Each look at a volume that hangs keeps a thread, so there is one at most.
  const space = fresh(0, () => frames.freeBytes(), SPACE_TIMEOUT_MS);
  const sample = async () => {
    const freeBytes = await space.now().catch(() => undefined);
    await keeper.sample({ freeBytes, replicasWanted, stepSeconds });
  };
  return [
    { name: 'sample', everyMs: stepSeconds * 1000, run: sample },
    { name: 'sweep', everyMs: sweepSeconds * 1000, run: keeper.sweep },
    { name: 'retention', everyMs: seldomMs, run: () => retain(housekeeping) },
    { name: 'indexes', everyMs: seldomMs, run: keeper.pruneIndexes },
    { name: 'payloads', everyMs: seldomMs, run: () => deleteUnusedPayloads(housekeeping) },
  ];
}
