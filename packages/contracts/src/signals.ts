export interface JoinedSignal {
  readonly signal: AbortSignal;
  /** Aborts the signal, unless it is aborted already. */
  abort(reason?: unknown): void;
  /** Releases the signals and the timer; call it when nothing listens any more. */
  end(): void;
}

interface TimeLimit {
  /** Undefined: no limit. */
  readonly ms?: number | undefined;
  /**
   * Called only when the time is up, because creating an error is expensive. By default the error of
   * AbortSignal.timeout.
   */
  readonly reason?: () => unknown;
}

/**
 * A signal that aborts with the reason of the first of `signals` that aborts, or when the time is up. AbortSignal.any
 * is not used: in Node 20 its signals never abort for an AbortSignal.timeout once the garbage collector has run, and it
 * leaves an entry in each longer-lived signal. This one releases all signals when it aborts, and at `end`.
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
 * Resolves like `answer`, or rejects with the signal's reason if it aborts first. For calls that take no signal or
 * ignore it.
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
