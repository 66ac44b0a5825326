import { FleetError, fresh, joinSignals } from '@comfy-fleet/contracts';
import type { FrameStores } from '@comfy-fleet/frames';
import type { Ledger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Caller } from '../server/gate.js';
import { secondsToMidnight } from '../server/key-limits.js';

/** For how long an answer about disk space counts, and how long requests wait for one: a volume that hangs may do so for hours. */
const SPACE_MS = 2000;
const SPACE_ASK_MS = 1000;
const SPACE_RETRY_SECONDS = 60;

/**
 * Throws storage_full while fewer than `minFreeBytes` are free where pictures are stored: accepted jobs need space for
 * theirs. A volume that does not say how full it is counts as having space. While it hangs, its last answer counts.
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
    const warn = () =>
      log.warn('the volume of the pictures does not say how much disk space is left', { after_ms: askMs });
    late.addEventListener('abort', warn, { once: true });
    try {
      return (await frames.freeBytes()) ?? Infinity;
    } catch (error) {
      log.warn('how much disk space is left for pictures is not known', { error });
      return Infinity;
    }
  };
  // A question that hangs takes a thread, so there is one at most.
  const space = fresh(SPACE_MS, ask, askMs);
  return async () => {
    const last = space.latest();
    const hasSpace = last !== undefined && last >= minFreeBytes;
    const free = hasSpace ? last : await space.now().catch(() => space.latest() ?? Infinity);
    if (free >= minFreeBytes) return;
    const detail = 'There is no room for more pictures at the moment. What was accepted is still made.';
    throw new FleetError('storage_full', detail, { retryAfterSeconds: SPACE_RETRY_SECONDS });
  };
}

/** The part of Redis' memory that new jobs may fill. Workers need the rest to finish accepted jobs. */
const MOST_FULL = 0.9;
const FULLNESS_MS = 1000;
const FULLNESS_RETRY_SECONDS = 30;

/** Throws `overloaded` while Redis is nearly full. A Redis without maxmemory, or one that does not say, counts as having space. */
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

/** Whether pictures can be stored and read. Requests are taken while they cannot: jobs wait in Redis. */
export interface StorageWatch {
  /** What is wrong and how to fix it, for operators; undefined: nothing. Never throws. */
  ask(): Promise<string | undefined>;
  /** The last answer, without waiting; asks again when that is old. */
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

/** How often the housekeeping usually looks for files that may be deleted. */
const SHARE_RETRY_SECONDS = 60;

/** Throws storage_share_exceeded while the caller may store no more files. */
export async function requireStorageShare({ ledger }: WithLedger, { id }: Pick<Caller, 'id'>): Promise<void> {
  const { bytes, shareBytes, isOver } = await ledger.storage.use(id);
  if (!isOver) return;
  const detail =
    `The storage is full, and the files of this API key have ${bytes} bytes; its share is ${shareBytes}. ` +
    'Delete jobs or assets that are no longer needed, or try again when your files are an hour old: then the oldest make room.';
  throw new FleetError('storage_share_exceeded', detail, { retryAfterSeconds: SHARE_RETRY_SECONDS });
}

/** Counts bytes that the caller sent against its limit of a day. Throws upload_limit_reached. */
export async function chargeUpload({ ledger }: WithLedger, caller: Caller, bytes: number): Promise<void> {
  const most = caller.limits?.uploadBytesPerDay;
  if (bytes === 0 || most === undefined || (await ledger.accounts.chargeUpload(caller.id, bytes, most))) return;
  const detail = `This API key may send ${most} bytes a day (UTC), and these would be too many.`;
  throw new FleetError('upload_limit_reached', detail, { retryAfterSeconds: secondsToMidnight() });
}

/** Longest that reading or storing one picture may take. */
const STORAGE_MS = 30_000;

/** Runs a step on a frame store with a signal that aborts when the caller is gone or the time is up (storage_failed). */
export async function withStorageDeadline<T>(
  caller: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const reason = () => new FleetError('storage_failed', 'The place where pictures are stored is too slow.');
  const { signal, end } = joinSignals([caller], { ms: STORAGE_MS, reason });
  try {
    return await step(signal);
  } catch (error) {
    throw !caller.aborted && signal.aborted ? signal.reason : error;
  } finally {
    end();
  }
}
