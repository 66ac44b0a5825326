import { FleetError, fresh } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';

/** How old the answer may be. A full disk comes slowly, and asking a network volume may take a while. */
const FRESH_MS = 2000;
/** For how long requests wait for an answer. A volume that hangs says nothing for hours. */
const ASK_MS = 1000;
const RETRY_AFTER_SECONDS = 60;

/**
 * Throws storage_full while there are fewer than `minFreeBytes` where pictures are stored: what is accepted already is to
 * have its place. A volume that does not say how full it is counts as having space; a bucket always has it. While one
 * hangs nobody waits for it for longer than `askMs` after it was asked, and what it said last is taken for true.
 */
export function createSpaceCheck(
  frames: { freeBytes(): Promise<number | undefined> },
  {
    minFreeBytes,
    askMs = ASK_MS,
    log,
  }: { readonly minFreeBytes: number; readonly askMs?: number; readonly log: Logger },
): () => Promise<void> {
  // A question that hangs takes a thread, so there is one at most.
  const space = fresh(
    FRESH_MS,
    async (late) => {
      const say = () =>
        log.warn('the volume of the pictures does not say how much disk space is left', { after_ms: askMs });
      late.addEventListener('abort', say, { once: true });
      try {
        return (await frames.freeBytes()) ?? Number.POSITIVE_INFINITY;
      } catch (error) {
        log.warn('how much disk space is left for pictures is not known', { error });
        return Number.POSITIVE_INFINITY;
      }
    },
    askMs,
  );

  return async () => {
    const last = space.latest();
    const free =
      last !== undefined && last >= minFreeBytes
        ? last
        : await space.now().catch(() => space.latest() ?? Number.POSITIVE_INFINITY);
    if (free >= minFreeBytes) return;
    const detail = 'There is no room for more pictures at the moment. What was accepted is still made.';
    throw new FleetError('storage_full', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  };
}
