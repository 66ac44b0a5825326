import { fresh } from '@comfy-fleet/contracts';
import type { FrameStore, StoredFrame } from '@comfy-fleet/frames';
import { type Keeper, PAYLOAD_PREFIX, type Task } from '@comfy-fleet/jobs';
import { type Retention, retain } from './retention.js';

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

interface UnusedPayloads {
  readonly keeper: Pick<Keeper, 'unusedPayloads'>;
  readonly inputs: Pick<FrameStore, 'list' | 'deleteUnchanged'>;
  /** Ends it between two pages. */
  readonly signal: AbortSignal;
}

/** Files looked up in one round trip. */
const PAGE = 200;
/** A younger file may belong to an order that is just being made. */
const PAYLOAD_YOUNG_MS = 60_000;

/**
 * Deletes files of large graphs and origins to which no job and no workflow refers. A file that is written again between
 * the look and the deletion stays. Answers how many it deleted.
 */
export async function deleteUnusedPayloads({ keeper, inputs, signal }: UnusedPayloads): Promise<number> {
  const before = Date.now() - PAYLOAD_YOUNG_MS;
  let deleted = 0;
  const clean = async (files: readonly StoredFrame[]) => {
    const unused = new Set(await keeper.unusedPayloads(files.map(({ name }) => name)));
    for (const { name, modifiedAt } of files) {
      if (unused.has(name) && (await inputs.deleteUnchanged(name, modifiedAt))) deleted += 1;
    }
  };
  let page: StoredFrame[] = [];
  for await (const file of inputs.list(PAYLOAD_PREFIX)) {
    if (signal.aborted) return deleted;
    if (file.modifiedAt.getTime() < before) page.push(file);
    if (page.length < PAGE) continue;
    await clean(page);
    page = [];
  }
  await clean(page);
  return deleted;
}
