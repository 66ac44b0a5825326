import { resolve } from 'node:path';
import Type from 'typebox';
import type { Environment } from '../environment.js';
import { readSettings } from '../read-settings.js';
import { settingsSchema } from '../settings-schema.js';

/** Where the keys are, for a command that needs no other setting and ignores any that is wrong. An absolute path. */
export function readKeysFileSetting(env: Environment = process.env): string | undefined {
  const { API_KEYS_FILE: path } = readSettings(Type.Pick(settingsSchema, ['API_KEYS_FILE']), env);
  return path === undefined ? undefined : resolve(path);
}
