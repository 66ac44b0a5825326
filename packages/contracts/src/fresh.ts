import { joinSignals, orAborted } from './signals.js';

/** A cached answer. At most one request for it is in progress, and all callers share it. */
export interface Fresh<T> {
  /** The last answer while it is fresh, else a new one. Rejects like the request; a failure is not cached. */
  now(): Promise<T>;
  /** A new answer, however fresh the last one is. */
  again(): Promise<T>;
  /**
   * The last answer, however old; undefined before the first. Does not wait: if the answer is not fresh, it requests a
   * new one in the background.
   */
  latest(): T | undefined;
}

/**
 * Caches the answer of `ask` for `ms` after it arrives. After `deadlineMs` the signal of the request aborts and callers
 * stop waiting. A request that ignores its signal still blocks further ones until it ends.
 */
export function fresh<T>(ms: number, ask: (signal: AbortSignal) => Promise<T>, deadlineMs?: number): Fresh<T> {
  let last: { readonly value: T; readonly at: number } | undefined;
  let asking: Promise<T> | undefined;

  const begin = () => {
    const reason = () => new Error(`no answer within ${deadlineMs} ms`);
    const late = joinSignals([], { ms: deadlineMs, reason });
    const answer = ask(late.signal)
      .then((value) => {
        last = { value, at: performance.now() };
        return value;
      })
      .finally(() => {
        late.end();
        asking = undefined;
      });
    return orAborted(answer, late.signal);
  };
  const again = () => {
    asking ??= begin();
    return asking;
  };
  const freshOne = () => (last !== undefined && performance.now() - last.at < ms ? last : undefined);

  return {
    again,
    now: async () => {
      const found = freshOne();
      return found === undefined ? again() : found.value;
    },
    latest: () => {
      if (freshOne() === undefined) again().catch(() => undefined);
      return last?.value;
    },
  };
}
