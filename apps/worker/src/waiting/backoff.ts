const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 30_000;

/**
 * Pause before attempt number `attempt + 1`: doubling, with jitter of half up or down so that jobs do not come in
 * waves.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(0, attempt - 1), LONGEST_BACKOFF_MS);
  return Math.round(base * (0.5 + random()));
}
