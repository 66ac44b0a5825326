import type { Environment } from '../environment.js';
import { apiSchema } from '../schema/api-schema.js';
import { readConfig } from '../setting.js';

/** Where the keys are, for a command that needs no other setting and ignores any that is wrong. An absolute path. */
export function readKeysFileSetting(env: Environment = process.env): string | undefined {
  return readConfig({ path: apiSchema.access.keysFile }, env).path;
}
