import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@comfy-fleet/telemetry';

interface Repeating {
  /** Between the end of one and the begin of the next, in ms: who asks for it meanwhile shares that. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** After a failure. */
const RETRY_MS = 1000;

/**
 * A function that has `action` done from a moment on that is not before the call: one is under way at a time, and one comes
 * after it for all who asked meanwhile. One that fails is done again, until the signal aborts.
 */
export function repeated(action: () => Promise<void>, { pauseMs, signal, log }: Repeating): () => void {
  let isAsked = false;
  let isUnderWay = false;
  const work = async () => {
    while (isAsked && !signal.aborted) {
      isAsked = false;
      const failed = await action().then(
        () => false,
        (error: unknown) => {
          if (!signal.aborted) log.warn('what sockets are to be told could not be read', { error });
          return true;
        },
      );
      isAsked ||= failed;
      await delay(failed ? RETRY_MS : pauseMs, undefined, { signal }).catch(() => undefined);
    }
  };
  return () => {
    isAsked = true;
    if (isUnderWay) return;
    isUnderWay = true;
    void work().finally(() => {
      isUnderWay = false;
    });
  };
}
