/**
 * A copy of joinSignals in packages/contracts, for code that runs before the build. The joined signal aborts with the first of
 * `signals`, or after `ms`; `end` removes its listeners. AbortSignal.any does not fit: in Node 20, its signal may never abort
 * for an AbortSignal.timeout after a garbage collection.
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
