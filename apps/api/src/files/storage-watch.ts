import { fresh } from '@comfy-fleet/contracts';
import type { FrameStores } from '@comfy-fleet/frames';
import type { Logger } from '@comfy-fleet/telemetry';

/** How old the answer may be that is known, and how long one may take. */
const FRESH_MS = 5000;
const ASK_MS = 2000;

/** Whether the place where pictures are kept works. Its being away is no reason to take no requests: jobs wait in Redis. */
export interface StorageWatch {
  /** What keeps it from working and how to fix it, for operators; undefined: nothing. Never throws. */
  ask(): Promise<string | undefined>;
  /** What was answered last, without waiting; asks again when that is old. */
  known(): string | undefined;
}

/** Says in the log when the place stops working, and when it works again. */
export function createStorageWatch(stores: Pick<FrameStores, 'fault'>, log: Logger): StorageWatch {
  let fault: string | undefined;
  const watched = fresh(FRESH_MS, async () => {
    const found = await stores.fault(AbortSignal.timeout(ASK_MS));
    if (found !== undefined && found !== fault) log.error('pictures cannot be stored or read', { reason: found });
    if (found === undefined && fault !== undefined) log.info('pictures can be stored and read again');
    fault = found;
    return found;
  });
  return { ask: watched.again, known: watched.latest };
}
