import type { Check } from '../check.js';
import { accepted } from './accepted.js';
import { cancels } from './cancels.js';
import { failures } from './failures.js';
import { leftovers } from './leftovers.js';
import { pictures } from './pictures.js';
import { processes } from './processes.js';
import { renderings } from './renderings.js';

/** Every promise that a run is held to, by name, in the order of the table. */
export const CHECKS: Readonly<Record<string, Check>> = {
  accepted,
  pictures,
  cancels,
  renderings,
  failures,
  leftovers,
  processes,
};
