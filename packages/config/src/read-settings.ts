import type { Static, TObject, TSchema } from 'typebox';
import { Errors } from 'typebox/schema';
import { ConfigError } from './config-error.js';
import type { Environment } from './environment.js';
import { withSecretFiles } from './secret-files.js';

/** The keywords of a setting's schema that say more than whether a value is right. */
interface Property extends TSchema {
  readonly type?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly writeOnly?: boolean;
}

/**
 * Reads the variables that `schema` names out of `env`: text becomes numbers and booleans, absent and empty ones get
 * their default; a secret may be in a file, see withSecretFiles. Throws one ConfigError with every fault.
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

/** What cannot be read as its type stays text, which the schema refuses. */
function readAs(text: string, { type }: Property): unknown {
  if (type === 'boolean') return ['true', 'false'].includes(text) ? text === 'true' : text;
  if (type !== 'number' && type !== 'integer') return text;
  const number = Number(text);
  const isFraction = type === 'integer' && number % 1 !== 0 && Number.isFinite(number);
  return Number.isNaN(number) || isFraction ? text : number;
}

/** Interpreted: to compile a schema takes a hundred times as long as to check a value against it once. */
function rulesBroken(value: unknown, property: Property): string[] {
  if (typeof value === 'number' && !Number.isFinite(value)) return ['must be finite'];
  const [, errors] = Errors(property, value);
  return errors.map(({ keyword, params, message }) => {
    if (keyword === 'enum') return `must be one of ${params.allowedValues.join(', ')}`;
    if (keyword === 'pattern' && property.description)
      return `does not have the form it needs (${property.description})`;
    return message;
  });
}

/** A secret that was mistyped is one all the same. */
function fault(name: string, text: string, { writeOnly = false }: Property, rule: string): string {
  return writeOnly ? `${name}: ${rule}` : `${name}=${text}: ${rule}`;
}
