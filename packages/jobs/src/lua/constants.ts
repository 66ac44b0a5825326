const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Numbers that scripts share with each other or with TypeScript. */
export const LUA_CONSTANTS = {
  /** How long a job is assumed to take if no similar one has run: about a mid on a common card. */
  UNKNOWN_MS: 10_000,
  /** The least that each job in work counts for, in virtual time, besides what it has used. */
  IN_WORK_MS: 10_000,
  /** The most that it counts for. */
  MOST_IN_WORK_MS: 120_000,
  /** In how many affinity queues of a pool a key may have waiting jobs, since each claim reads them all. */
  MOST_AFFINITY_QUEUES: 256,
  /** The BullMQ priority of all work items except those that are claimed before all others. */
  PRIORITY: 1,
  /** How many completed and how many failed work items of each pool BullMQ keeps, for operators to look at. */
  KEPT_WORK_ITEMS: 1000,
  /** How many events BullMQ keeps by default. */
  WORK_EVENTS_KEPT: 10_000,
  /** The sequence of a waiting job is its level times this, plus a number; see lua/scheduling/waiting.lua. */
  LEVEL: 1e12,
  /** The score of ended jobs in the list of their key is above this, that of open jobs below. */
  ENDED_AFTER: 1e15,
  /** How many executions of an instance are kept: one every five seconds for an hour. */
  TIMELINE_ENTRIES: 720,
  /** The least that a stored file counts for: ext4 has an inode for each 16 KiB, and each file needs one. */
  LEAST_FILE_BYTES: 16_384,
  USAGE_LIFE_MS: 100 * DAY_MS,
  HOUR_MS,
  /** Longer than an hour and a minute. */
  GPU_TIME_LIFE_MS: 2 * HOUR_MS,
  /**
   * How much longer an ended record lives while its webhook is undelivered, counted from the last attempt. Longer than
   * any outage of the dispatchers, but finite: otherwise a delivery that was removed by hand would keep its record
   * forever.
   */
  UNDELIVERED_EXTRA_MS: 30 * DAY_MS,
  /** A file's set of users is forgotten if no job was added for this long. No job is open for longer. */
  USES_LIFE_MS: 30 * DAY_MS,
  /** Unwanted prompts are forgotten this long after the last one. Longer than an operator leaves a GPU in this state. */
  UNWANTED_LIFE_MS: 30 * DAY_MS,
  /** How long the source of a workflow lives before an order names it. */
  UNUSED_SOURCE_LIFE_MS: HOUR_MS,
  /**
   * How much longer an index of jobs lives than an ended record, because the lifetime of an open job has not started.
   */
  INDEX_EXTRA_MS: 2 * DAY_MS,
} as const;
