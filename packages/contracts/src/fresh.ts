import { joinSignals, orAborted } from './signals.js';

/** An answer that serves for a while. One question is under way at most, and all who want its answer share it. */
export interface Fresh<T> {
  /** The last answer while it is fresh, else a new one. Rejects as the question does; a failure is not kept. */
  now(): Promise<T>;
  /** A new answer, however fresh the last one is. */
  again(): Promise<T>;
  /** The last answer, however old; undefined before the first. Does not wait: if it is not fresh, it asks behind it. */
  latest(): T | undefined;
}

/**
 * Asks when it has to: an answer is fresh for `ms` from its arrival. After `deadlineMs` the signal of the question aborts,
 * and nobody waits for it any more; one that does not obey is still the only one, until it ends.
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
