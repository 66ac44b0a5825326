import type { Config } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { CONTAINERS, contentTypeOf, copyName, inputDigest } from '@comfy-fleet/frames';
import { BYTES_PER_FILE, type Housekeeper } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import {
  type Holding,
  type InputFile,
  type Inventory,
  type JobPictures,
  type Stores,
  takeInventory,
} from './inventory.js';
import { createShares, surplusOf } from './shares.js';

export interface Retention extends Stores {
  readonly keeper: Pick<
    Housekeeper,
    'forget' | 'forgetSurplus' | 'keysOfJobs' | 'recordStorage' | 'retireInput' | 'sendersOf'
  >;
  readonly retention: Config['retention'];
  /** Stops the task between two deletions. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Younger files may belong to a job that is just being created or just ending. */
const YOUNG_MS = 60_000;
/** Younger files are not deleted to free disk space, since their callers may not have fetched them yet. */
const RECENT_MS = 3_600_000;
/** The part of the volume's space that files may fill: orders are refused until the next run when they fill all of it. */
const MOST_FULL = 0.9;
/** The part of the files that a key may have sent which it keeps, so that it can send more until the next run. */
const KEPT_FILES = 0.75;
/** No write takes this long: half-written files of this age were left by a process that died. */
const ABANDONED_MS = 86_400_000;

/**
 * Deletes the oldest jobs and sent files of keys with too many, pictures that are too old, and, while pictures take too much
 * space or the volume has too little, the oldest ones of the keys that exceed their share most, but no recent ones, unless
 * there is too little space for the other keys. A job is deleted with all its pictures, its record first: a crash in between
 * leaves files that age out. Files of open jobs stay, and so do those of undelivered webhooks unless space is needed. Safe to
 * run twice, and by several dispatchers at once. Resolves to the number of deleted files.
 */
export async function retain(context: Retention): Promise<Deleted & { readonly failures: number }> {
  const { keeper, frames, inputs, derived, log } = context;
  const done = { jobs: 0, pictures: 0, inputs: 0, derived: 0, half_written: 0, bytes: 0 };
  const failures: FleetError[] = [];
  try {
    const before = new Date(Date.now() - ABANDONED_MS);
    for (const store of [frames, inputs, derived]) done.half_written += await store.sweepAbandoned(before);
    const inventory = await takeInventory(context, keeper);
    // A bucket has no limit.
    const free = (await frames.freeBytes()) ?? Number.POSITIVE_INFINITY;
    const gone = await deleteSurplus(context, inventory, done, failures);
    await deleteDue(
      context,
      { ...inventory, holdings: inventory.holdings.filter((one) => !gone.has(one)) },
      free,
      done,
      failures,
    );
    return { ...done, failures: failures.length };
  } finally {
    if (Object.values(done).some((count) => count > 0)) log.info('deleted old pictures', done);
    if (failures.length > 0) {
      log.warn('old pictures could not be deleted', { count: failures.length, error: failures[0] });
    }
  }
}

type Deleted = Record<'jobs' | 'pictures' | 'inputs' | 'derived' | 'bytes', number>;

/** Deletes the oldest ended jobs of each key with too many. Resolves to those that had pictures. */
async function deleteSurplus(
  context: Retention,
  { holdings }: Inventory,
  done: Deleted,
  failures: FleetError[],
): Promise<ReadonlySet<Holding>> {
  const { keeper, retention, signal } = context;
  const byId = new Map(holdings.flatMap((one) => (one.kind === 'job' ? [[one.id, one] as const] : [])));
  const gone = new Set<Holding>();
  for await (const ids of keeper.forgetSurplus({ jobs: retention.jobsKeptPerKey, bytes: retention.jobBytesPerKey })) {
    done.jobs += ids.length;
    for (const id of ids) {
      const job = byId.get(id);
      if (job === undefined) continue;
      gone.add(job);
      await continueOnFailure(failures, () => deletePictures(context, job, done));
    }
    if (signal.aborted) break;
  }
  return gone;
}

async function deleteDue(
  context: Retention,
  inventory: Inventory,
  /** The free bytes of the volume when the inventory was taken. */
  free: number,
  done: Deleted,
  failures: FleetError[],
): Promise<void> {
  const { keeper, derived, retention, signal, log } = context;
  const { framesMaxAgeSeconds, inputsMaxAgeSeconds, framesMaxBytes, minFreeBytes } = retention;
  const now = Date.now();
  const recent = inventory.holdings.filter(({ modifiedAt }) => now - modifiedAt <= RECENT_MS);
  const recentBytes = recent.reduce((sum, { bytes }) => sum + bytes, 0);
  if (recentBytes > framesMaxBytes) {
    log.warn(
      'the pictures of the last hour alone are larger than FRAMES_MAX_BYTES; they are kept until they are older',
      {
        bytes: recentBytes,
        most: framesMaxBytes,
      },
    );
  }
  const spare = free + done.bytes - minFreeBytes;
  const capacity = inventory.size + free - minFreeBytes;
  for (const { name, bytes, modifiedAt } of inventory.orphans) {
    if (signal.aborted) return;
    if (now - modifiedAt < YOUNG_MS) continue;
    await continueOnFailure(failures, async () => {
      await derived.delete(name);
      done.derived += 1;
      done.bytes += bytes;
    });
  }
  /** Resolves to whether the files were deleted. */
  const remove = async (holding: Holding, options: { forSpace: boolean }): Promise<boolean> => {
    const before = done.bytes;
    await continueOnFailure(failures, () =>
      holding.kind === 'job'
        ? deleteJob(context, holding, options, done)
        : deleteInput(context, holding, options, done),
    );
    return done.bytes > before;
  };
  const isDue = (holding: Holding): boolean => {
    const age = now - holding.modifiedAt;
    if (age < YOUNG_MS) return false;
    if (holding.kind === 'job') return age > framesMaxAgeSeconds * 1000;
    return age > inputsMaxAgeSeconds * 1000 || holding.isUnowned;
  };
  const isEvictable = (holding: Holding, recentMs: number): boolean => {
    if (holding.kind === 'job') return now - holding.modifiedAt > recentMs;
    // An order may be about to use a recently touched input.
    return now - holding.sentAt > recentMs && now - holding.modifiedAt > YOUNG_MS;
  };
  const surplus = surplusOf({
    holdings: inventory.holdings,
    most: (KEPT_FILES * retention.jobBytesPerKey) / BYTES_PER_FILE,
    isEvictable: (holding) => isEvictable(holding, RECENT_MS),
  });
  const kept: Holding[] = [];
  for (const holding of inventory.holdings) {
    if (signal.aborted) return;
    const forSpace = surplus.has(holding);
    if (!(forSpace || isDue(holding)) || !(await remove(holding, { forSpace }))) kept.push(holding);
  }
  const isShared = new Set(kept.flatMap(({ keys }) => keys)).size > 1;
  // Otherwise a key beyond its share would keep the others from storing anything until its files are old enough.
  const recentMs = spare < 0 && isShared ? YOUNG_MS : RECENT_MS;
  const shares = createShares({
    holdings: kept,
    bytes: inventory.bytes - done.bytes,
    most: Math.max(0, Math.min(framesMaxBytes, MOST_FULL * capacity)),
    isEvictable: (holding) => isEvictable(holding, recentMs),
  });
  // Subtract the files' sizes instead of measuring, since some volumes free the space only later.
  for (let holding = shares.next(); holding !== undefined; holding = shares.next()) {
    if (signal.aborted) return;
    shares.tried((await remove(holding, { forSpace: true })) ? 'deleted' : 'kept');
  }
  await keeper.recordStorage({ ...shares.stock(), kinds: inventory.kinds });
}

/** How much the clocks of the store and of Redis may differ. */
const CLOCK_SLACK_MS = 10_000;

/** When deleting for space, an undelivered webhook does not protect a job, since its receiver may postpone it for days. */
async function deleteJob(
  context: Retention,
  job: JobPictures,
  { forSpace }: { readonly forSpace: boolean },
  done: Deleted,
): Promise<void> {
  const verdict = await context.keeper.forget(job.id, { spare: !forSpace });
  if (verdict === 'open') return;
  if (verdict === 'forgotten') done.jobs += 1;
  await deletePictures(context, job, done);
}

async function deletePictures({ frames, derived }: Retention, job: JobPictures, done: Deleted): Promise<void> {
  for (const rest of job.derived) await derived.delete(job.id + rest);
  for (const rest of job.frames) await frames.delete(job.id + rest);
  done.derived += job.derived.length;
  done.pictures += job.frames.length;
  done.bytes += job.bytes;
}

/**
 * Deletes the assets of the file first, so that a caller who sends or uses it from then on touches the file, and it stays.
 * When deleting for space, recent use does not protect a file, since a key could keep more than its share by using it again.
 * The copies of a video or a sound go with it.
 */
async function deleteInput(
  { inputs, keeper }: Retention,
  { name, modifiedAt, bytes }: InputFile,
  { forSpace }: { readonly forSpace: boolean },
  done: Deleted,
): Promise<void> {
  const unusedMs = forSpace ? undefined : Date.now() - modifiedAt - CLOCK_SLACK_MS;
  if (!(await keeper.retireInput(inputDigest(name), unusedMs))) return;
  if (!(await inputs.deleteUnchanged(name, new Date(modifiedAt)))) return;
  done.inputs += 1;
  done.bytes += bytes;
  if (!/^(?:video|audio)\//.test(contentTypeOf(name))) return;
  for (const copy of CONTAINERS.map((container) => copyName(name, container)))
    if (await keeper.retireInput(inputDigest(copy))) await inputs.delete(copy);
}

/** Continues after a file that cannot be deleted. */
async function continueOnFailure(failures: FleetError[], step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== 'storage_failed') throw error;
    failures.push(error);
  }
}
