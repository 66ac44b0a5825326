/**
 * A signal that aborts when the request's does, or `stopping`, with the reason of that. AbortSignal.any would do, but
 * leaves an entry for every request in `stopping`, which lives as long as the process. This leaves none: it lets go of
 * both when either aborts, and the signal of a request does so at its end at the latest.
 */
export function untilStopping(request: AbortSignal, stopping: AbortSignal): AbortSignal {
  const joined = new AbortController();
  const end = () => {
    request.removeEventListener('abort', end);
    stopping.removeEventListener('abort', end);
    joined.abort((request.aborted ? request : stopping).reason);
  };
  request.addEventListener('abort', end);
  stopping.addEventListener('abort', end);
  if (request.aborted || stopping.aborted) end();
  return joined.signal;
}
