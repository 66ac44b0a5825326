import { joinSignals } from '@comfy-fleet/contracts';

export interface Deadline {
  /** Aborts when the caller's signal does or when time is up. */
  readonly signal: AbortSignal;
  /** True if time ran out (and not if the caller aborted). */
  hasExpired(): boolean;
  /** Starts the time anew. */
  restart(): void;
  /** Stops the clock until `restart`. */
  pause(): void;
  /** Lets go of the timer and of the caller's signal. */
  end(): void;
}

/** A time limit of `ms`, which can be started anew, joined with the caller's signal. */
export function startDeadline(caller: AbortSignal, ms: number): Deadline {
  const { signal, abort, end: letGo } = joinSignals([caller]);
  let expired = false;
  let timer: NodeJS.Timeout | undefined;
  const pause = () => clearTimeout(timer);
  const restart = () => {
    pause();
    if (signal.aborted) return;
    timer = setTimeout(() => {
      expired = true;
      abort();
    }, ms);
  };
  signal.addEventListener('abort', pause, { once: true });
  restart();
  return {
    signal,
    hasExpired: () => expired,
    restart,
    pause,
    end: () => {
      pause();
      letGo();
    },
  };
}
