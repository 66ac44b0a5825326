import type { Config } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { inputDigest } from '@comfy-fleet/frames';
import type { Keeper } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { type Holding, type InputFile, type JobPictures, type Stock, type Stores, takeStock } from './inventory.js';
import { createShares } from './shares.js';

export interface Retention extends Stores {
  readonly keeper: Pick<
    Keeper,
    | 'forget'
    | 'forgetSurplus'
    | 'inputsInUse'
    | 'keysOfJobs'
    | 'noteStock'
    | 'noteStorage'
    | 'retireInput'
    | 'sendersOf'
    | 'unowned'
  >;
  readonly retention: Config['retention'];
  /** Ends it between two deletions. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Younger files may belong to something under way: a picture whose job is just being made, or just ending. */
const YOUNG_MS = 60_000;
/** What is younger is not deleted for the disk space it takes: somebody still waits to look at it. */
const RECENT_MS = 3_600_000;
/** Nobody writes for so long: half-written files of this age were left by a process that died. */
const ABANDONED_MS = 86_400_000;

/**
 * Deletes the oldest jobs of keys that have too many, pictures that are too old, and, while they take too much or the
 * volume has too little disk space, the oldest that are not recent of the keys that exceed their shares most. A job goes with all its pictures, its record first: a
 * crash in between leaves files that age out. What an open job has or starts from stays, and what a webhook that is
 * still to come notifies of. Safe to do twice and by two at once. Answers how many it deleted.
 */
export async function retain(context: Retention): Promise<Deleted & { readonly failures: number }> {
  const { keeper, frames, inputs, derived, log } = context;
  const done = { jobs: 0, pictures: 0, inputs: 0, derived: 0, half_written: 0, bytes: 0 };
  const failures: FleetError[] = [];
  try {
    const before = new Date(Date.now() - ABANDONED_MS);
    for (const store of [frames, inputs, derived]) done.half_written += await store.sweepAbandoned(before);
    const stock = await takeStock(context, keeper);
    await keeper.noteStock(stock.kinds);
    const gone = await deleteSurplus(context, stock, done, failures);
    await deleteDue(context, { ...stock, holdings: stock.holdings.filter((one) => !gone.has(one)) }, done, failures);
    return { ...done, failures: failures.length };
  } finally {
    if (Object.values(done).some((count) => count > 0)) log.info('deleted old pictures', done);
    if (failures.length > 0) {
      log.warn('old pictures could not be deleted', { count: failures.length, error: failures[0] });
    }
  }
}

type Deleted = Record<'jobs' | 'pictures' | 'inputs' | 'derived' | 'bytes', number>;

/** The oldest of each key that has too many ended jobs. Answers those of them that had pictures. */
async function deleteSurplus(
  context: Retention,
  { holdings }: Stock,
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
      await despite(failures, () => deletePictures(context, job, done));
    }
    if (signal.aborted) break;
  }
  return gone;
}

async function deleteDue(context: Retention, stock: Stock, done: Deleted, failures: FleetError[]): Promise<void> {
  const { keeper, frames, derived, retention, signal, log } = context;
  const { framesMaxAgeSeconds, inputsMaxAgeSeconds, framesMaxBytes, minFreeBytes } = retention;
  const now = Date.now();
  const recent = stock.holdings.filter(({ modifiedAt }) => now - modifiedAt <= RECENT_MS);
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
  // A bucket is never full.
  const spare = ((await frames.freeBytes()) ?? Number.POSITIVE_INFINITY) - minFreeBytes;
  const capacity = stock.bytes - done.bytes + spare;
  const unowned = new Set(await keeper.unowned());
  for (const { name, bytes, modifiedAt } of stock.orphans) {
    if (signal.aborted) return;
    if (now - modifiedAt < YOUNG_MS) continue;
    await despite(failures, async () => {
      await derived.delete(name);
      done.derived += 1;
      done.bytes += bytes;
    });
  }
  // Asked for when it matters, and never before the stock was taken: a job that was made since has touched its picture.
  let inUse: Promise<ReadonlySet<string>> | undefined;
  /** Whether it is gone. */
  const remove = async (holding: Holding, options: { forSpace: boolean }): Promise<boolean> => {
    const before = done.bytes;
    await despite(failures, async () => {
      if (holding.kind === 'job') return deleteJob(context, holding, done);
      inUse ??= keeper.inputsInUse();
      if (!(await inUse).has(inputDigest(holding.name))) await deleteInput(context, holding, options, done);
    });
    return done.bytes > before;
  };
  const isDue = (holding: Holding): boolean => {
    const age = now - holding.modifiedAt;
    if (age < YOUNG_MS) return false;
    if (holding.kind === 'job') return age > framesMaxAgeSeconds * 1000;
    return age > inputsMaxAgeSeconds * 1000 || unowned.has(holding.name);
  };
  const kept: Holding[] = [];
  for (const holding of stock.holdings) {
    if (signal.aborted) return;
    if (!isDue(holding) || !(await remove(holding, { forSpace: false }))) kept.push(holding);
  }
  const shares = createShares({
    holdings: kept,
    bytes: stock.bytes - done.bytes,
    most: Math.max(0, Math.min(framesMaxBytes, capacity)),
    isEvictable: (holding) => {
      if (holding.kind === 'job') return now - holding.modifiedAt > RECENT_MS;
      // An order may be about to use it.
      return now - holding.sentAt > RECENT_MS && now - holding.modifiedAt > YOUNG_MS;
    },
  });
  // Counted down by the files' sizes: some volumes give the space back only later.
  for (let holding = shares.next(); holding !== undefined; holding = shares.next()) {
    if (signal.aborted) return;
    shares.tried((await remove(holding, { forSpace: true })) ? 'deleted' : 'kept');
  }
  await keeper.noteStorage(shares.stock());
}

/** What the clocks of the store and of Redis may be apart. */
const CLOCK_SLACK_MS = 10_000;

async function deleteJob(context: Retention, job: JobPictures, done: Deleted): Promise<void> {
  const verdict = await context.keeper.forget(job.id);
  if (verdict === 'open') return;
  if (verdict === 'forgotten') done.jobs += 1;
  await deletePictures(context, job, done);
}

async function deletePictures({ frames, derived }: Retention, job: JobPictures, done: Deleted): Promise<void> {
  for (const name of job.derived) await derived.delete(name);
  for (const name of job.frames) await frames.delete(name);
  done.derived += job.derived.length;
  done.pictures += job.frames.length;
  done.bytes += job.bytes;
}

/**
 * The assets that have it go first: who sends or uses it from then on makes it young, and it stays. How lately it was used
 * does not count where it is deleted for space: by using its files again and again, a key would keep more than its share.
 */
async function deleteInput(
  { inputs, keeper }: Retention,
  { name, modifiedAt, bytes }: InputFile,
  { forSpace }: { readonly forSpace: boolean },
  done: Deleted,
): Promise<void> {
  const unusedMs = forSpace ? undefined : Date.now() - modifiedAt - CLOCK_SLACK_MS;
  if (!(await keeper.retireInput({ digest: inputDigest(name), name }, unusedMs))) return;
  if (!(await inputs.deleteUnchanged(name, new Date(modifiedAt)))) return;
  done.inputs += 1;
  done.bytes += bytes;
}

/** One file that cannot be deleted is not to keep all that are younger. */
async function despite(failures: FleetError[], step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== 'storage_failed') throw error;
    failures.push(error);
  }
}
