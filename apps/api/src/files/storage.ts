import { FleetError, fresh, joinSignals } from '@comfy-fleet/contracts';
import { type FrameStore, type FrameStores, jobOfPicture } from '@comfy-fleet/frames';
import type { Ledger, StorageUse } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Caller } from '../server/gate.js';
import { secondsToMidnight } from '../server/key-limits.js';

/** How long a reading of the free disk space is valid, and how long requests wait for one: a volume may hang for hours. */
const SPACE_MS = 2000;
const SPACE_ASK_MS = 1000;
const SPACE_RETRY_SECONDS = 60;

/**
 * Throws storage_full while fewer than `minFreeBytes` are free for pictures, since accepted jobs need space for theirs. A volume
 * that does not report its free space counts as having space. While it hangs, its last report counts.
 */
export function createSpaceCheck(
  frames: { freeBytes(): Promise<number | undefined> },
  {
    minFreeBytes,
    askMs = SPACE_ASK_MS,
    log,
  }: { readonly minFreeBytes: number; readonly askMs?: number; readonly log: Logger },
): () => Promise<void> {
  const ask = async (late: AbortSignal) => {
    const warn = () => log.warn('the volume of the pictures has not reported its free disk space', { after_ms: askMs });
    late.addEventListener('abort', warn, { once: true });
    try {
      return (await frames.freeBytes()) ?? Infinity;
    } catch (error) {
      log.warn('the free disk space for pictures cannot be determined', { error });
      return Infinity;
    }
  };
  // A check that hangs occupies a thread, so at most one runs at a time.
  const space = fresh(SPACE_MS, ask, askMs);
  return async () => {
    const last = space.latest();
    const hasSpace = last !== undefined && last >= minFreeBytes;
    const free = hasSpace ? last : await space.now().catch(() => space.latest() ?? Infinity);
    if (free >= minFreeBytes) return;
    const detail = 'There is no disk space for more pictures at the moment. Jobs that were accepted still run.';
    throw new FleetError('storage_full', detail, { retryAfterSeconds: SPACE_RETRY_SECONDS });
  };
}

/** A store whose `put` gives up as soon as there is too little space, since a single file may be larger than what must stay free. */
export function storeWithinSpace(store: FrameStore, requireSpace: () => Promise<void>): FrameStore {
  async function* whileSpace(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      await requireSpace();
      yield chunk;
    }
  }
  return { ...store, put: (name, source, options) => store.put(name, whileSpace(source), options) };
}

/** The part of Redis' memory that new jobs may fill. Workers need the rest to finish accepted jobs. */
const MOST_FULL = 0.9;
const FULLNESS_MS = 1000;
const FULLNESS_RETRY_SECONDS = 30;

/** Throws `overloaded` while Redis is nearly full. Redis counts as having space if it has no maxmemory or does not report it. */
export function createQueueSpace({ fullness }: Pick<Ledger, 'fullness'>): () => Promise<void> {
  const full = fresh(FULLNESS_MS, () => fullness().catch(() => 0), FULLNESS_MS);
  return async () => {
    // Only a fresh answer may refuse a request. While there is space, the last known answer is enough.
    if ((full.latest() ?? MOST_FULL) < MOST_FULL || (await full.now().catch(() => 0)) < MOST_FULL) return;
    const detail = 'The job queue is nearly full. Jobs that were accepted still run; send this one again later.';
    throw new FleetError('overloaded', detail, { retryAfterSeconds: FULLNESS_RETRY_SECONDS });
  };
}

const FAULT_MS = 5000;
const FAULT_ASK_MS = 2000;

/** Monitors whether pictures can be stored and read. While they cannot, requests are still accepted: jobs wait in Redis. */
export interface StorageWatch {
  /** Checks the stores and returns what is wrong and how to fix it, for operators; undefined: nothing. Never throws. */
  ask(): Promise<string | undefined>;
  /** The last result, without waiting. Starts a new check if it is old. */
  known(): string | undefined;
}

/** Logs when the stores stop working, and when they work again. */
export function createStorageWatch(stores: Pick<FrameStores, 'fault'>, log: Logger): StorageWatch {
  let fault: string | undefined;
  const watched = fresh(FAULT_MS, async () => {
    const found = await stores.fault(AbortSignal.timeout(FAULT_ASK_MS));
    if (found !== undefined && found !== fault) log.error('pictures cannot be stored or read', { reason: found });
    if (found === undefined && fault !== undefined) log.info('pictures can be stored and read again');
    fault = found;
    return found;
  });
  return { ask: watched.again, known: watched.latest };
}

interface WithLedger {
  readonly ledger: Pick<Ledger, 'accounts' | 'storage'>;
}

/** How often the housekeeping usually deletes files. */
const SHARE_RETRY_SECONDS = 60;

/** Throws storage_share_exceeded while the caller may store no more files. */
export async function requireStorageShare({ ledger }: WithLedger, { id }: Pick<Caller, 'id'>): Promise<void> {
  const use = await ledger.storage.use(id);
  refuseOver(use);
  if (!use.hasTooManyFiles) return;
  const detail =
    'This API key has sent too many files. Delete assets that are no longer needed, or try again later: ' +
    'files older than an hour are deleted, oldest first.';
  throw new FleetError('storage_share_exceeded', detail, { retryAfterSeconds: SHARE_RETRY_SECONDS });
}

function refuseOver({ bytes, shareBytes, isOver }: StorageUse): void {
  if (!isOver) return;
  const detail =
    `The storage is full, and the files of this API key have ${bytes} bytes; its share is ${shareBytes}. ` +
    'Delete jobs or assets that are no longer needed, or try again later: files older than an hour are deleted, oldest first.';
  throw new FleetError('storage_share_exceeded', detail, { retryAfterSeconds: SHARE_RETRY_SECONDS });
}

/**
 * Counts a picture that is about to be stored and was made of an output. Throws storage_full, and storage_share_exceeded while the
 * key of the output may store no more files.
 */
export function createDerivedRoom(
  { ledger }: WithLedger,
  requireSpace: () => Promise<void>,
): (filename: string, bytes: number) => Promise<void> {
  return async (filename, bytes) => {
    await requireSpace();
    refuseOver(await ledger.storage.derive(jobOfPicture(filename) ?? '', bytes));
  };
}

/** Counts bytes that the caller sent today. Throws upload_limit_reached. */
export async function chargeUpload({ ledger }: WithLedger, caller: Caller, bytes: number): Promise<void> {
  const most = caller.limits?.upload_bytes_per_day ?? Infinity;
  if (bytes === 0 || (await ledger.accounts.chargeUpload(caller.id, bytes, most))) return;
  const detail = `This API key may send ${most} bytes a day (UTC), and this request would exceed the limit.`;
  throw new FleetError('upload_limit_reached', detail, { retryAfterSeconds: secondsToMidnight() });
}

/** How long reading or storing one picture may take. */
const STORAGE_MS = 30_000;

/** Runs a step on a frame store with a signal that aborts when the caller disconnects or the time is up (storage_failed). */
export async function withStorageDeadline<T>(
  caller: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const reason = () => new FleetError('storage_failed', 'The picture storage is too slow.');
  const { signal, end } = joinSignals([caller], { ms: STORAGE_MS, reason });
  try {
    return await step(signal);
  } catch (error) {
    throw !caller.aborted && signal.aborted ? signal.reason : error;
  } finally {
    end();
  }
}
