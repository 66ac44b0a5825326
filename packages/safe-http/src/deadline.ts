import { unreachable } from './failures.js';

/**
 * Runs one exchange with a signal that aborts when the caller's does or when `ms` are over; the latter is thrown as
 * url_unreachable, the former as its reason. AbortSignal.any and AbortSignal.timeout do not let go of a caller's signal
 * that outlives the call, as the dispatcher's does.
 */
export async function withDeadline<T>(
  caller: AbortSignal,
  ms: number,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  caller.throwIfAborted();
  const controller = new AbortController();
  const late = unreachable(`The URL did not give its whole answer within ${ms} ms.`);
  const timer = setTimeout(() => controller.abort(late), ms);
  const onAbort = () => controller.abort(caller.reason);
  caller.addEventListener('abort', onAbort, { once: true });
  try {
    return await run(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(timer);
    caller.removeEventListener('abort', onAbort);
  }
}
