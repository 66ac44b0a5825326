import { fresh } from '@comfy-fleet/contracts';
import type { FrameStore, StoredFrame } from '@comfy-fleet/frames';
import { type Housekeeper, PAYLOAD_PREFIX, type Task } from '@comfy-fleet/jobs';
import { type Retention, retain } from './retention.js';

export interface Housekeeping extends Retention {
  readonly keeper: Housekeeper;
  readonly sweepSeconds: number;
  /** How often a sample of the fleet's state is recorded. */
  readonly stepSeconds: number;
  /** Replicas that must have a new job before it is acknowledged. */
  readonly replicasWanted: number;
}

/** The longest that measuring free disk space may take; without it, alerts are still judged. */
const SPACE_TIMEOUT_MS = 3000;

/** The recurring tasks that maintain the ledger and delete old files. */
export function housekeepingTasks(housekeeping: Housekeeping): Task[] {
  const { keeper, frames, retention, sweepSeconds, stepSeconds, replicasWanted } = housekeeping;
  const seldomMs = retention.housekeepingSeconds * 1000;
  // A request to a hanging volume blocks a thread, so make only one at a time.
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
    { name: 'models', everyMs: seldomMs, run: keeper.forgetModels },
    { name: 'payloads', everyMs: seldomMs, run: () => deleteUnusedPayloads(housekeeping) },
  ];
}

interface UnusedPayloads {
  readonly keeper: Pick<Housekeeper, 'unusedPayloads'>;
  readonly inputs: Pick<FrameStore, 'list' | 'deleteUnchanged'>;
  /** Stops the task between two pages. */
  readonly signal: AbortSignal;
}

/** How many files are looked up in one round trip. */
const PAGE = 200;
/** Younger files may belong to an order that is being created. */
const PAYLOAD_YOUNG_MS = 60_000;

/**
 * Deletes files of large graphs and origins that no job or workflow refers to. A file that is written again between
 * the lookup and the deletion stays. Resolves to the number of deleted files.
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
