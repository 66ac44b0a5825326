import Type, { type Static } from 'typebox';
import type { Environment } from './environment.js';
import { readSettings } from './read-settings.js';

const testSettingsSchema = Type.Object({
  COMFYUI_URL: Type.Optional(
    Type.String({
      pattern: '^https?://[^\\s]+$',
      description: 'http(s) address of a real, idle ComfyUI that the contract suite is to run against as well',
    }),
  ),
});

/** What the person who starts the tests can set. */
export function readTestSettings(env: Environment = process.env): Static<typeof testSettingsSchema> {
  return readSettings(testSettingsSchema, env);
}
