import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { settingsSchema, simulatorSchema } from '@comfy-fleet/config';

export const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

/** Reads a file of the repository. */
export const textOf = (path: string): Promise<string> => readFile(`${ROOT}/${path}`, 'utf8');

/** Every environment variable that a service reads: the settings, and the paths of files with secrets. */
export const SETTINGS: ReadonlySet<string> = new Set(
  [settingsSchema, simulatorSchema].flatMap(({ properties }) =>
    Object.entries(properties).flatMap(([name, property]) =>
      'writeOnly' in property && property.writeOnly === true ? [name, `${name}_FILE`] : [name],
    ),
  ),
);
