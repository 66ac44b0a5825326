import { readFileSync } from 'node:fs';
import type { TObject } from 'typebox';
import type { Environment } from './environment.js';

/**
 * A secret NAME (a setting marked writeOnly) may be given as NAME_FILE, the path of a file that holds it, so that it is in
 * nobody's environment. Answers `env` with the secrets in their places, and what is wrong, naming paths but no secret.
 */
export function withSecretFiles(schema: TObject, env: Environment): { env: Environment; faults: readonly string[] } {
  const read: Record<string, string> = {};
  const faults: string[] = [];
  for (const [name, property] of Object.entries(schema.properties)) {
    const variable = `${name}_FILE`;
    const path = env[variable]?.trim();
    if (!isSecret(property) || path === undefined || path === '') continue;
    if ((env[name]?.trim() ?? '') !== '') {
      faults.push(`${name} and ${variable} are both set: keep one of them`);
      continue;
    }
    try {
      read[name] = readFileSync(path, 'utf8').trim();
      if (read[name] === '') faults.push(`${variable}=${path}: the file is empty`);
    } catch (error) {
      faults.push(`${variable}=${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return { env: { ...env, ...read }, faults };
}

function isSecret(property: object): boolean {
  return 'writeOnly' in property && property.writeOnly === true;
}
