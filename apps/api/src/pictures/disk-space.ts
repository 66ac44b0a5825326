import { FleetError } from '@comfy-fleet/contracts';
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
  let free = Number.POSITIVE_INFINITY;
  let answeredAt = Number.NEGATIVE_INFINITY;
  /** While an answer is outstanding: each that hangs takes a thread, so there is one at most. Resolves at its deadline. */
  let asking: Promise<void> | undefined;

  const look = async () => {
    try {
      free = (await frames.freeBytes()) ?? Number.POSITIVE_INFINITY;
    } catch (error) {
      log.warn('how much disk space is left for pictures is not known', { error });
      free = Number.POSITIVE_INFINITY;
    }
    answeredAt = performance.now();
    asking = undefined;
  };
  const ask = () =>
    new Promise<void>((resolve) => {
      const late = setTimeout(() => {
        log.warn('the volume of the pictures does not say how much disk space is left', { after_ms: askMs });
        resolve();
      }, askMs);
      void look().finally(() => {
        clearTimeout(late);
        resolve();
      });
    });

  return async () => {
    if (performance.now() - answeredAt > FRESH_MS) asking ??= ask();
    if (answeredAt === Number.NEGATIVE_INFINITY || free < minFreeBytes) await asking;
    if (free >= minFreeBytes) return;
    const detail = 'There is no room for more pictures at the moment. What was accepted is still made.';
    throw new FleetError('storage_full', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  };
}
