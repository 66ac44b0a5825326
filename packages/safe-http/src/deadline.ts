import { joinSignals } from '@comfy-fleet/contracts';
import { unreachable } from './failures.js';

/**
 * Runs one exchange with a signal that aborts when the caller's does or when `ms` are over; the latter is thrown as
 * url_unreachable, the former as its reason.
 */
export async function withDeadline<T>(
  caller: AbortSignal,
  ms: number,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  caller.throwIfAborted();
  const reason = () => unreachable(`The URL did not give its whole answer within ${ms} ms.`);
  const { signal, end } = joinSignals([caller], { ms, reason });
  try {
    return await run(signal);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    end();
  }
}
