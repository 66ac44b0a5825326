const SECOND = 1000;
const HOUR = 3600 * SECOND;

/** Longest that a receiver can postpone a try: each one can be postponed anew, and the job's record is kept for it. */
const MAX_RETRY_AFTER_MS = 24 * HOUR;
/** Or a receiver that says 0 would have used up its tries in a moment. */
const MIN_RETRY_AFTER_MS = SECOND;
/** Callbacks that failed together are not to come back together. */
const JITTER = 0.2;

export interface RetryOptions {
  /** One for each failed try after which there is another. */
  readonly delaysMs: readonly number[];
  /** The header, if the status was one that it belongs to. */
  readonly retryAfter?: string | undefined;
  /** 0 to 1, drawn anew each time. */
  readonly random?: () => number;
}

/**
 * ms until the next try after `failed` of them failed (1: the first); undefined when there is to be none. A delay of
 * the schedule is up to 20 % shorter or longer; one that the receiver asked for only longer.
 */
export function retryDelayMs(
  failed: number,
  { delaysMs, retryAfter, random = Math.random }: RetryOptions,
): number | undefined {
  const planned = delaysMs[failed - 1];
  if (planned === undefined) return undefined;
  const asked = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter);
  if (asked === undefined) return Math.round(planned * (1 + JITTER * (2 * random() - 1)));
  const bounded = Math.min(Math.max(asked, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
  return Math.round(bounded * (1 + JITTER * random()));
}

/** RFC 9110: whole seconds, or an HTTP date. In ms from now; undefined when it is neither. */
function parseRetryAfter(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * SECOND;
  const time = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - Date.now());
}
