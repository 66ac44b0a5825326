export interface Deadline {
  /** Aborts when the caller's signal does or when time is up. */
  readonly signal: AbortSignal;
  /** True if time ran out (and not if the caller aborted). */
  readonly expired: boolean;
  /** Starts the time anew. */
  restart(): void;
  /** Stops the clock until `restart`. */
  pause(): void;
  /** Lets go of the timer and of the caller's signal. */
  end(): void;
}

/**
 * A time limit of `ms` joined with the caller's signal. AbortSignal.any and AbortSignal.timeout would do, but neither
 * lets go of a signal that outlives the call, as a worker's does, and neither can be started anew.
 */
export function startDeadline(caller: AbortSignal, ms: number): Deadline {
  const controller = new AbortController();
  let expired = false;
  let timer: NodeJS.Timeout | undefined;
  const pause = () => clearTimeout(timer);
  const end = () => {
    pause();
    caller.removeEventListener('abort', onAbort);
  };
  function onAbort() {
    end();
    controller.abort(caller.reason);
  }
  const restart = () => {
    pause();
    if (controller.signal.aborted) return;
    timer = setTimeout(() => {
      expired = true;
      end();
      controller.abort();
    }, ms);
  };
  caller.addEventListener('abort', onAbort, { once: true });
  if (caller.aborted) onAbort();
  else restart();
  return {
    signal: controller.signal,
    get expired() {
      return expired;
    },
    restart,
    pause,
    end,
  };
}
