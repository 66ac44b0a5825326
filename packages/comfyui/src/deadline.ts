import { joinSignals } from '@comfy-fleet/contracts';

/** The slowest transfer that is waited for: 1 Mbit/s. Byte by byte, an instance could keep a job busy for ever. */
const MIN_BYTES_PER_SECOND = 128 * 1024;

export interface Deadline {
  /** Aborts when the caller's signal does or when time is up. */
  readonly signal: AbortSignal;
  /** Why time ran out: nothing came, or too little. Undefined while it has not, and when the caller aborted. */
  expired(): 'silent' | 'slow' | undefined;
  /** Waits for the next piece, after so many bytes were transferred. */
  restart(bytes?: number): void;
  /** Stops the clock until `restart`. */
  pause(): void;
  /** Lets go of the timer and of the caller's signal. */
  end(): void;
}

/**
 * A time limit of `ms`, joined with the caller's signal. It holds for each piece of a transfer, and the transfer as a
 * whole must not be slower than MIN_BYTES_PER_SECOND. Time during which the clock is stopped does not count.
 */
export function startDeadline(caller: AbortSignal, ms: number): Deadline {
  const { signal, abort, end: letGo } = joinSignals([caller]);
  let expired: 'silent' | 'slow' | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** `ms` for the first piece and as much for a slow start; each transferred byte adds its time. */
  let leftMs = 2 * ms;
  let waitingSince: number | undefined;
  const pause = () => {
    clearTimeout(timer);
    if (waitingSince !== undefined) leftMs -= performance.now() - waitingSince;
    waitingSince = undefined;
  };
  const restart = (bytes = 0) => {
    pause();
    leftMs += (bytes / MIN_BYTES_PER_SECOND) * 1000;
    if (signal.aborted) return;
    waitingSince = performance.now();
    const isSlow = leftMs < ms;
    timer = setTimeout(
      () => {
        expired = isSlow ? 'slow' : 'silent';
        abort();
      },
      Math.max(0, Math.min(ms, leftMs)),
    );
  };
  signal.addEventListener('abort', pause, { once: true });
  restart();
  return {
    signal,
    expired: () => expired,
    restart,
    pause,
    end: () => {
      pause();
      letGo();
    },
  };
}
