/**
 * What packages/contracts has, for what runs before anything is built: a signal that aborts as soon as one of `signals` does, or after `ms`; `end` lets go of them. Not with AbortSignal.any: what
 * that makes of an AbortSignal.timeout never aborts in Node 20 once the garbage collector has run.
 * @param {readonly (AbortSignal | undefined)[]} signals
 * @param {number} [ms]
 */
export function joinSignals(signals, ms) {
  const joined = new AbortController();
  const known = signals.filter((signal) => signal !== undefined);
  const abort = () => {
    end();
    joined.abort(known.find(({ aborted }) => aborted)?.reason ?? new DOMException('The time is up', 'TimeoutError'));
  };
  const timer = ms === undefined ? undefined : setTimeout(abort, ms);
  const end = () => {
    clearTimeout(timer);
    for (const signal of known) signal.removeEventListener('abort', abort);
  };
  for (const signal of known) signal.addEventListener('abort', abort);
  if (known.some(({ aborted }) => aborted)) abort();
  return { signal: joined.signal, abort, end };
}
