import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './logger.js';

/**
 * Does a task now and then again and again, `ms` after its last end, until the signal aborts. A failure is logged; it
 * is what the next time is for. Resolves when the last run is over.
 */
export async function every(
  ms: number,
  what: string,
  task: () => Promise<void>,
  { signal, log }: { signal: AbortSignal; log: Logger },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await task();
    } catch (error) {
      if (!signal.aborted) log.warn(`${what} failed`, { error });
    }
    // Rejects at once when the signal has aborted during the task, and is no failure.
    await delay(ms, undefined, { signal }).catch(() => undefined);
  }
}
