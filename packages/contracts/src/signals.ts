export interface JoinedSignal {
  readonly signal: AbortSignal;
  /** Aborts it, unless it was aborted before. */
  abort(reason?: unknown): void;
  /** Lets go of the signals and of the timer; for when nothing listens to it any more. */
  end(): void;
}

interface TimeLimit {
  /** Undefined: there is none. */
  readonly ms?: number | undefined;
  /** Made only when the time is up, since an error costs more than the rest; that of AbortSignal.timeout if not given. */
  readonly reason?: () => unknown;
}

/**
 * A signal that aborts as soon as one of `signals` does, with its reason, or when the time is up. Not with
 * AbortSignal.any: what that makes of an AbortSignal.timeout never aborts in Node 20 once the garbage collector has run,
 * and it leaves an entry in each signal that outlives the call. This lets go of all of them when it aborts, and at `end`.
 */
export function joinSignals(signals: readonly AbortSignal[], { ms, reason = timeUp }: TimeLimit = {}): JoinedSignal {
  const joined = new AbortController();
  const end = () => {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', follow);
  };
  const abort = (reason?: unknown) => {
    end();
    joined.abort(reason);
  };
  const follow = () => abort(signals.find(({ aborted }) => aborted)?.reason);
  const timer = ms === undefined ? undefined : setTimeout(() => abort(reason()), ms);
  for (const signal of signals) signal.addEventListener('abort', follow);
  if (signals.some(({ aborted }) => aborted)) follow();
  return { signal: joined.signal, abort, end };
}

function timeUp(): DOMException {
  return new DOMException('The time is up', 'TimeoutError');
}

/**
 * What `answer` resolves to; rejects with the reason of the signal when that aborts before. For what takes no signal, or
 * does not obey it: the answer is then waited for no longer.
 */
export async function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  let leave = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave);
  });
  try {
    return await Promise.race([aborted, answer]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
