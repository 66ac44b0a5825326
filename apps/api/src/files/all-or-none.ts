import { joinSignals } from '@comfy-fleet/contracts';
import pLimit from 'p-limit';

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
  const running = tasks.map((task) =>
    limit(async () => {
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
