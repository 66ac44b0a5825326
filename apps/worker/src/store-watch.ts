import { randomBytes } from 'node:crypto';
import { FleetError, fresh } from '@comfy-fleet/contracts';
import type { FrameStores } from '@comfy-fleet/frames';
import type { Logger } from '@comfy-fleet/telemetry';

/** Longest one look may take. */
const CHECK_MS = 5000;
/** Written to see whether a store takes pictures again: of a picture's size, since a name or a few bytes pass on a full disk. */
const PROBE_BYTES = 1024 * 1024;

export interface StoreFault {
  /** Why nothing can be stored, for operators. */
  readonly reason: string;
  /** ms since 1970. */
  readonly since: number;
}

/**
 * Knows whether outputs can be stored. While they cannot, a worker claims nothing: renderings would only pile up, and
 * jobs wait better in the queue.
 */
export interface StoreWatch {
  /** Undefined while outputs can be stored. */
  readonly fault: StoreFault | undefined;
  /** Looks whether it does: to be called from time to time. Never throws. */
  check(): Promise<void>;
  /** A picture could not be stored. Resolves when it is known whether any other could. */
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

  const findFault = async (signal: AbortSignal): Promise<string | undefined> => {
    const broken = await stores.fault(signal);
    if (broken !== undefined) return broken;
    const free = await frames.freeBytes();
    if (free !== undefined && free < minFreeBytes) {
      return `${mib(free)} MiB are free where pictures are stored, less than MIN_FREE_BYTES (${mib(minFreeBytes)} MiB)`;
    }
    if (!suspect) return undefined;
    await frames.put(probeName, [randomBytes(PROBE_BYTES)], { signal });
    await frames.delete(probeName);
    suspect = false;
    return undefined;
  };

  // Each question to a volume that hangs keeps a thread, so there is one at most.
  const checks = fresh(0, (late) => findFault(late).catch(reasonOf), CHECK_MS);
  const check = async () => update(await checks.now().catch(() => 'The store of the pictures does not answer in time'));

  const update = (reason: string | undefined) => {
    const before = fault;
    fault = reason === undefined ? undefined : { reason, since: before?.since ?? Date.now() };
    if (reason !== undefined && before === undefined) {
      log.error('outputs cannot be stored: no jobs are claimed until they can', { reason });
    }
    if (reason === undefined && before !== undefined) log.info('outputs can be stored again: jobs are claimed');
    if ((reason === undefined) !== (before === undefined)) onChange();
  };

  return {
    get fault() {
      return fault;
    },
    check,
    failed: async () => {
      suspect = true;
      await check();
      // It may have been under way before the picture failed, and have written nothing.
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
