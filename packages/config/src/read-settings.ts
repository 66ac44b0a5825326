import { readFileSync } from 'node:fs';
import type { Static, TObject, TSchema } from 'typebox';
import { Errors } from 'typebox/schema';
import { ConfigError, type Environment } from './environment.js';
import { faultRule } from './fault-rule.js';

/** Keywords of a setting's schema that are not about validation. */
interface Property extends TSchema {
  readonly type?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly writeOnly?: boolean;
}

/**
 * Reads the variables of `schema` from `env`: converts text to numbers and booleans, and uses defaults for absent and
 * empty ones. A secret may be in a file, see withSecretFiles. Throws one ConfigError with every error.
 */
export function readSettings<T extends TObject>(schema: T, given: Environment): Static<T> {
  const values: Record<string, unknown> = {};
  const { env, faults } = withSecretFiles(schema, given);
  const missing: string[] = [];
  const wrong: string[] = [];
  const required = new Set(schema.required);
  for (const [name, property] of Object.entries<Property>(schema.properties)) {
    const text = env[name]?.trim() ?? '';
    if (text !== '') {
      const value = readAs(text, property);
      wrong.push(...rulesBroken(value, property).map((rule) => fault(name, text, property, rule)));
      values[name] = value;
    } else if (property.default !== undefined) values[name] = property.default;
    else if (required.has(name)) missing.push(`${name} is not set`);
  }
  const all = [...faults, ...missing, ...wrong];
  if (all.length > 0) throw new ConfigError(all);
  return values as Static<T>;
}

/** A value that does not convert stays text, which the schema refuses. */
function readAs(text: string, { type }: Property): unknown {
  if (type === 'boolean') return ['true', 'false'].includes(text) ? text === 'true' : text;
  if (type !== 'number' && type !== 'integer') return text;
  const number = Number(text);
  const isFraction = type === 'integer' && number % 1 !== 0 && Number.isFinite(number);
  return Number.isNaN(number) || isFraction ? text : number;
}

/** Interprets the schema, because compiling it takes a hundred times as long as checking one value. */
function rulesBroken(value: unknown, property: Property): string[] {
  if (typeof value === 'number' && !Number.isFinite(value)) return ['must be finite'];
  const [, errors] = Errors(property, value);
  return errors.map((error) => {
    const { keyword, params, message } = error;
    if (keyword === 'enum') return `must be one of ${params.allowedValues.join(', ')}`;
    if (keyword === 'pattern' && property.description)
      return `does not have the form it needs (${property.description})`;
    return ['type', 'minimum', 'maximum'].includes(keyword) ? faultRule(error, '', {}) : message;
  });
}

/** Never shows a secret, because a mistyped one is still secret. */
function fault(name: string, text: string, { writeOnly = false }: Property, rule: string): string {
  return writeOnly ? `${name}: ${rule}` : `${name}=${text}: ${rule}`;
}

/**
 * Reads secrets from files: a secret NAME (a setting marked writeOnly) may be given as NAME_FILE, the path of a file,
 * which keeps it out of the environment. Answers `env` with the secrets, and errors that show paths but no secrets.
 */
function withSecretFiles(schema: TObject, env: Environment): { env: Environment; faults: readonly string[] } {
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
