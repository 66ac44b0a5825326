const DAY_MS = 86_400_000;

/** Numbers that scripts share with each other or with TypeScript; ms. */
export const LUA_CONSTANTS = {
  /** BullMQ's priority of all work items. */
  PRIORITY: 1,
  USAGE_LIFE_MS: 100 * DAY_MS,
  /**
   * What an ended record lives longer while its webhook is still to come, from the last that was done for that: longer
   * than any outage of the dispatchers. Not for good: a delivery that was removed by hand would leave its record for ever.
   */
  UNDELIVERED_EXTRA_MS: 30 * DAY_MS,
  /** What an index of jobs lives longer than an ended record: an open job has used up nothing of its lifetime. */
  INDEX_EXTRA_MS: 2 * DAY_MS,
} as const;
