import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** A long wait polls less often, because many polls would keep the CPU from the other tests. */
const LONG_WAIT_MS = 1000;
const LONG_WAIT_EVERY_MS = 50;

/**
 * Waits until `probe` answers something other than undefined, null or false, and returns it. Polls every `everyMs`
 * (default 10), and less often after a second. After `withinMs` (default 120,000, when it must hang) it throws with
 * `what` in the message.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { withinMs = 120_000, everyMs = 10 }: { withinMs?: number; everyMs?: number } = {},
): Promise<Exclude<T, undefined | null | false>> {
  const began = performance.now();
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>;
    const waitedMs = performance.now() - began;
    if (waitedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(waitedMs < LONG_WAIT_MS ? everyMs : Math.max(everyMs, LONG_WAIT_EVERY_MS));
  }
}

interface Closable {
  close(): Promise<void>;
}

/** Resolves when all have started. If one fails, closes the others and rejects with its reason. */
export async function startAll<T extends Closable>(starts: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(starts);
  const started = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failed = settled.find((each) => each.status === 'rejected');
  if (failed === undefined) return started;
  await closeAll(started);
  throw failed.reason;
}

export async function closeAll(started: readonly Closable[]): Promise<void> {
  await Promise.all(started.map((each) => each.close()));
}

/** Resolves like `use`; if that rejects, closes them first. */
export async function orCloseAll<T>(started: readonly Closable[], use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await closeAll(started);
    throw error;
  }
}

/** Deletes a folder in which a child of a killed process may still be writing, as with Redis. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
}
