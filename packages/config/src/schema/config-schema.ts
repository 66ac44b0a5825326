import type { ConfigOf } from '../setting.js';
import { apiSchema } from './api-schema.js';
import { fleetSchema } from './fleet-schema.js';

/**
 * The whole config: settings of the environment, and constants that nobody has a reason to set. Tests replace either, see
 * `loadConfig`. docs/settings.md is made of it.
 */
export const configSchema = { ...apiSchema, ...fleetSchema };

/** As it is in the schema, before values that depend on several settings are made. */
export type RawConfig = ConfigOf<typeof configSchema>;
