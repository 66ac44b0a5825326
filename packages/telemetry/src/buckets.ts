/**
 * Upper bounds of histograms, in seconds. Twelve or so each: every bound is a time series per combination of labels.
 * Dense where the promises are, so that a quantile near one is read off exactly.
 */

/** An answer from Redis takes 1 ms or so; a plain 202 some ms; a picture or a batch up to a second; `?wait=` up to 60 s. */
export const HTTP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 65];

/** On one machine 0.1 ms, in one data centre 0.5 ms; REDIS_TIMEOUT_MS is 0.8 s. */
export const REDIS_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.8, 2];

/** Somebody waits for a sketch for seconds, for a final for minutes; MAX_QUEUED_SECONDS is a day. */
export const WAIT_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14_400, 86_400];

/** Eight steps of a small picture take half a second, forty of eight large ones minutes. */
export const RUN_BUCKETS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900];

/** A picture is some MB: ms over loopback, seconds into a far bucket; a full volume is tried for a minute. */
export const COLLECT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60];

/** Between two prompts that wait in ComfyUI pass some ms; a claim, a submission and their syncs would be 100. */
export const GAP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

/** WEBHOOK_TIMEOUT_MS is 10 s. */
export const WEBHOOK_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** At once when all is well; the tries of WEBHOOK_RETRY_SECONDS come after 5, 35, 155, 755, 2,555, 6,155 and 13,355 s. */
export const WEBHOOK_LAG_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 40, 160, 800, 2600, 6200, 14_400];
