import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until `probe` answers something other than undefined, null or false, and returns it. Looks every `everyMs`
 * (default 10). After `withinMs` (default 120,000: it hangs) it throws with `what` in the message.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { withinMs = 120_000, everyMs = 10 }: { withinMs?: number; everyMs?: number } = {},
): Promise<Exclude<T, undefined | null | false>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(everyMs);
  }
}
