import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './logger.js';

/**
 * Runs a task now and then repeatedly, `ms` after the end of the last run, until the signal aborts. A failure is
 * logged; the next run is the retry. Resolves when the last run is over.
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
    // Rejects at once if the signal aborted during the task, which is not a failure.
    await delay(ms, undefined, { signal }).catch(() => undefined);
  }
}
