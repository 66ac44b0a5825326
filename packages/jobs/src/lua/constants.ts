const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Numbers that scripts share with each other or with TypeScript; ms. */
export const LUA_CONSTANTS = {
  /** BullMQ's priority of all work items. */
  PRIORITY: 1,
  /** BullMQ's own bound. */
  WORK_EVENTS_KEPT: 10_000,
  USAGE_LIFE_MS: 100 * DAY_MS,
  HOUR_MS,
  /** GPU time is counted in spans: short ones tell of the last minute, long ones of the last hour. */
  SHORT_SPAN_MINUTES: 1,
  LONG_SPAN_MINUTES: 10,
  /** More than an hour and one of the long spans. */
  GPU_TIME_LIFE_MS: 2 * HOUR_MS,
  /**
   * What an ended record lives longer while its webhook is still to come, from the last that was done for that: longer
   * than any outage of the dispatchers. Not for good: a delivery that was removed by hand would leave its record for ever.
   */
  UNDELIVERED_EXTRA_MS: 30 * DAY_MS,
  /** A job's use of a file is forgotten after so long without another: longer than a job is open. */
  USES_LIFE_MS: 30 * DAY_MS,
  /** Of the source of a workflow, until an order that names it prolongs that. */
  UNUSED_SOURCE_LIFE_MS: HOUR_MS,
  /** What an index of jobs lives longer than an ended record: an open job has used up nothing of its lifetime. */
  INDEX_EXTRA_MS: 2 * DAY_MS,
} as const;
