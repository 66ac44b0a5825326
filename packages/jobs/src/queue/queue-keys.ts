/** BullMQ's name of the queue of webhooks. */
export const WEBHOOK_QUEUE = 'webhooks';

/** BullMQ's name of the queue of the housekeeping. */
export const HOUSEKEEPING_QUEUE = 'housekeeping';

/** BullMQ's name of a pool's queue; its keys begin with `<prefix>:<name>:`. */
export function queueName(pool: string): string {
  return `queue-${pool}`;
}

/** BullMQ's own keys; they live as long as it says. */
export const QUEUE_KEYS = {
  /** The hash of one work item */
  workItem: 'queue-<pool>:<id>',
  prioritized: 'queue-<pool>:prioritized',
  waitList: 'queue-<pool>:wait',
  delayed: 'queue-<pool>:delayed',
  active: 'queue-<pool>:active',
  stalled: 'queue-<pool>:stalled',
  marker: 'queue-<pool>:marker',
  /** Sets apart, in the order of their adding, work items, which all have the same priority */
  priorityCounter: 'queue-<pool>:pc',
  completed: 'queue-<pool>:completed',
  failed: 'queue-<pool>:failed',
  workEvents: 'queue-<pool>:events',
  queueMeta: 'queue-<pool>:meta',
  /** The lock of one work item */
  lock: 'queue-<pool>:<id>:lock',
  /** A part of the queue of webhooks, or an item of it */
  webhookPart: 'webhooks:<part>',
} as const;
