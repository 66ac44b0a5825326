import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { joinSignals } from '@comfy-fleet/contracts';
import pLimit from 'p-limit';

/** Tasks that begin before other requests get a turn: a thousand entries of a batch take a tenth of a second. */
const TASKS_OF_A_TURN = 50;

type Task<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Does all of them, `atOnce` at a time. When one fails the others are given up and waited for, and what it threw is thrown.
 */
export async function allOrNone<T>(
  tasks: readonly Task<T>[],
  { atOnce, signal }: { readonly atOnce: number; readonly signal: AbortSignal },
): Promise<T[]> {
  if (tasks.length === 0) return [];
  const limit = pLimit(atOnce);
  const joined = joinSignals([signal]);
  const running = tasks.map((task, index) =>
    limit(async () => {
      if (index % TASKS_OF_A_TURN === TASKS_OF_A_TURN - 1) await yieldToEventLoop();
      joined.signal.throwIfAborted();
      return task(joined.signal);
    }),
  );
  try {
    return await Promise.all(running);
  } catch (error) {
    joined.abort(error);
    await Promise.allSettled(running);
    throw error;
  } finally {
    joined.end();
  }
}
