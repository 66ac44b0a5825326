import { randomBytes } from 'node:crypto';
import { FleetError, fresh } from '@comfy-fleet/contracts';
import type { FrameStores } from '@comfy-fleet/frames';
import type { Logger } from '@comfy-fleet/telemetry';

/** Longest check. */
const CHECK_MS = 5000;
/** Size of the test file. It is as large as a picture, because a few bytes can still be written to a full disk. */
const PROBE_BYTES = 1024 * 1024;
/** The part of MIN_FREE_BYTES that the outputs of each job may take. */
const PART_OF_JOB = 1 / 4;

export interface StoreFault {
  /** Why nothing can be stored, for operators. */
  readonly reason: string;
  /** ms since 1970. */
  readonly since: number;
  /** It works, but has too little space. */
  readonly isFull: boolean;
}

type Found = Pick<StoreFault, 'reason'> & Partial<Pick<StoreFault, 'isFull'>>;

/**
 * Knows whether outputs can be stored. While they cannot, a worker claims nothing: renderings would only pile up, and
 * jobs wait better in the queue.
 */
export interface StoreWatch {
  /** Undefined while outputs can be stored. */
  readonly fault: StoreFault | undefined;
  /** Checks the store; call it repeatedly. Never throws. */
  check(): Promise<void>;
  /** Whether enough stays free after `bytes` more, the last of the `sum` of a job's outputs. */
  hasSpace(bytes: number, sum: number): Promise<boolean>;
  /** An output could not be stored. Resolves once it is known whether others can be. */
  failed(): Promise<void>;
}

interface StoreWatchOptions {
  readonly stores: Pick<FrameStores, 'frames' | 'fault'>;
  readonly minFreeBytes: number;
  /** Names the test file; each process needs its own. */
  readonly owner: string;
  /** Called when outputs can be stored again, or no longer. */
  readonly onChange: () => void;
  readonly log: Logger;
}

export function createStoreWatch({ stores, minFreeBytes, owner, onChange, log }: StoreWatchOptions): StoreWatch {
  const { frames } = stores;
  const probeName = `probe_${owner.replace(/[^A-Za-z0-9_-]/g, '_')}.bin`;
  let fault: StoreFault | undefined;
  /** A write failed, and none has succeeded since then. */
  let suspect = false;

  const findFault = async (signal: AbortSignal): Promise<Found | undefined> => {
    const broken = await stores.fault(signal);
    if (broken !== undefined) return { reason: broken };
    const free = await frames.freeBytes();
    if (free !== undefined && free < minFreeBytes) {
      const reason = `${mib(free)} MiB are free where pictures are stored, less than MIN_FREE_BYTES (${mib(minFreeBytes)} MiB)`;
      return { reason, isFull: true };
    }
    if (!suspect) return undefined;
    await frames.put(probeName, [randomBytes(PROBE_BYTES)], { signal });
    await frames.delete(probeName);
    suspect = false;
    return undefined;
  };

  // Each check of a volume that hangs occupies a thread, so only one runs at a time.
  const checks = fresh(0, (late) => findFault(late).catch((error): Found => ({ reason: reasonOf(error) })), CHECK_MS);
  const late: Found = { reason: 'The store for outputs does not answer in time' };
  const check = async () => update(await checks.now().catch(() => late));

  const update = (found: Found | undefined) => {
    const before = fault;
    fault = found && { isFull: false, ...found, since: before?.since ?? Date.now() };
    if (found !== undefined && before === undefined) {
      log.error('outputs cannot be stored: no jobs are claimed until they can', { reason: found.reason });
    }
    if (found === undefined && before !== undefined) log.info('outputs can be stored again: jobs are claimed');
    if ((found === undefined) !== (before === undefined)) onChange();
  };

  return {
    get fault() {
      return fault;
    },
    check,
    hasSpace: async (bytes, sum) => {
      if (sum <= PART_OF_JOB * minFreeBytes) return true;
      const free = await frames.freeBytes();
      return free === undefined || free - bytes >= minFreeBytes;
    },
    failed: async () => {
      suspect = true;
      await check();
      // If a check was already running, it began before this failure and may not have tried to write. Check again.
      if (suspect && fault === undefined) await check();
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof FleetError ? error.detail.replace(/\.$/, '') : String(error);
}

function mib(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024);
}
