import { accepted } from './accepted.js';
import { callbacks } from './callbacks.js';
import { cancels } from './cancels.js';
import type { Check } from './check.js';
import { deliveryLogs } from './delivery-logs.js';
import { failures } from './failures.js';
import { leftovers } from './leftovers.js';
import { orders } from './orders.js';
import { pictures } from './pictures.js';
import { processes } from './processes.js';
import { renderings } from './renderings.js';
import { repeats } from './repeats.js';
import { signatures } from './signatures.js';

/** Every promise that a run is held to, by name, in the order of the table. */
export const CHECKS: Readonly<Record<string, Check>> = {
  accepted,
  orders,
  pictures,
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
