import { FleetError } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';

/** How old the answer may be. A full disk comes slowly, and asking a network volume may take a while. */
const FRESH_MS = 2000;
const RETRY_AFTER_SECONDS = 60;

/**
 * Throws storage_full while there are fewer than `minFreeBytes` where pictures are stored: what is accepted already is to
 * have its place. A volume that does not say how full it is counts as having room; a bucket always has it.
 */
export function createRoomCheck(
  frames: { room(): Promise<number | undefined> },
  { minFreeBytes, log }: { readonly minFreeBytes: number; readonly log: Logger },
): () => Promise<void> {
  let free = Number.POSITIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  const ask = async () => {
    try {
      free = (await frames.room()) ?? Number.POSITIVE_INFINITY;
    } catch (error) {
      log.warn('how much room is left for pictures is not known', { error });
      free = Number.POSITIVE_INFINITY;
    }
    askedAt = performance.now();
    asking = undefined;
  };

  return async () => {
    if (performance.now() - askedAt > FRESH_MS) asking ??= ask();
    if (askedAt === Number.NEGATIVE_INFINITY || free < minFreeBytes) await asking;
    if (free >= minFreeBytes) return;
    const detail = 'There is no room for more pictures at the moment. What was accepted is still made.';
    throw new FleetError('storage_full', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  };
}
