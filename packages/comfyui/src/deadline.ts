import { joinSignals } from '@comfy-fleet/contracts';

/** The slowest accepted transfer: 1 Mbit/s. Otherwise an instance could block a job for ever, byte by byte. */
const MIN_BYTES_PER_SECOND = 128 * 1024;

export interface Deadline {
  /** Aborts when the caller's signal does or when time is up. */
  readonly signal: AbortSignal;
  /** Why time ran out: nothing arrived, or too little. Undefined before that, and when the caller aborted. */
  expired(): 'silent' | 'slow' | undefined;
  /** Waits for the next piece after this many bytes were transferred. */
  restart(bytes?: number): void;
  /** Stops the clock until `restart`. */
  pause(): void;
  /** Releases the timer and the caller's signal. */
  end(): void;
}

/**
 * A time limit of `ms`, combined with the caller's signal. It applies to each piece of a transfer, and the whole
 * transfer must not be slower than MIN_BYTES_PER_SECOND. Time while the clock is stopped does not count.
 */
export function startDeadline(caller: AbortSignal, ms: number): Deadline {
  const { signal, abort, end: letGo } = joinSignals([caller]);
  let expired: 'silent' | 'slow' | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** `ms` for the first piece and again for a slow start; each transferred byte adds its time. */
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
