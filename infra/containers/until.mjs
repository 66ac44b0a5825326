import { setTimeout as delay } from 'node:timers/promises';
import { Problem } from '../local/problem.mjs';

/**
 * Polls until `ask` returns a value other than undefined.
 * @template T
 * @param {string} what for the message of the Problem at the deadline
 * @param {() => Promise<T | undefined>} ask
 * @param {{ withinMs?: number, everyMs?: number, signal?: AbortSignal }} [options]
 * @returns {Promise<T>}
 */
export async function until(what, ask, { withinMs = 120_000, everyMs = 250, signal } = {}) {
  const end = performance.now() + withinMs;
  let last = '';
  while (performance.now() < end) {
    signal?.throwIfAborted();
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    await delay(everyMs, undefined, { signal });
  }
  throw new Problem(`${what}: not within ${withinMs / 1000} s${last}`);
}
