import { accepted } from './accepted.js';
import { callbacks, notified } from './callbacks.js';
import { cancels } from './cancels.js';
import type { Check } from './check.js';
import { deliveryLogs } from './delivery-logs.js';
import { failures } from './failures.js';
import { leftovers } from './leftovers.js';
import { orders } from './orders.js';
import { outputs } from './outputs.js';
import { processes } from './processes.js';
import { renderings } from './renderings.js';
import { repeats } from './repeats.js';
import { signatures } from './signatures.js';

/** Promises by name, in the order of the table. */
export type Promises = Readonly<Record<string, Check>>;

/** Every promise that a run is held to. */
export const CHECKS: Promises = {
  accepted,
  orders,
  outputs,
  cancels,
  renderings,
  failures,
  callbacks,
  signatures,
  repeats,
  deliveryLogs,
  leftovers,
  processes,
};

/** What is to hold however everything is restarted while nobody cancels anything. */
export const ALWAYS: Promises = {
  accepted,
  orders,
  outputs,
  renderings,
  failures,
  callbacks,
  signatures,
  repeats,
  deliveryLogs,
  leftovers,
  processes,
};

/**
 * What is to hold when Redis' last instant is lost: only what was to be on a replica is promised. That a job had ended
 * was not, so that it may be rendered, and its receiver notified, again.
 */
export const SURVIVING: Promises = {
  accepted,
  orders,
  outputs,
  failures,
  notified,
  signatures,
  leftovers,
  processes,
};
