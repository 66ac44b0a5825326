import { Ajv, type ErrorObject } from 'ajv';
import type { Static, TObject } from 'typebox';
import { ConfigError } from './config-error.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the variables that `schema` names out of `env`: text becomes numbers and booleans, absent and empty ones get
 * their default. Throws one ConfigError with every fault.
 */
export function readSettings<T extends TObject>(schema: T, env: Environment): Static<T> {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(schema.properties)) {
    const text = env[name]?.trim();
    if (text !== undefined && text !== '') values[name] = text;
  }
  const written = { ...values };
  const ajv = new Ajv({ allErrors: true, coerceTypes: true, useDefaults: true, strict: false, verbose: true });
  if (!ajv.validate(schema, values)) throw new ConfigError((ajv.errors ?? []).map((error) => fault(error, written)));
  const endless = Object.keys(values).filter((name) => Math.abs(Number(values[name])) === Number.POSITIVE_INFINITY);
  if (endless.length > 0) throw new ConfigError(endless.map((name) => `${name}=${written[name]}: must be finite`));
  return values as Static<T>;
}

function fault(error: ErrorObject, written: Readonly<Record<string, unknown>>): string {
  if (error.keyword === 'required') return `${error.params.missingProperty} is not set`;
  const name = error.instancePath.slice(1);
  const rule =
    error.keyword === 'enum'
      ? `must be one of ${(error.params.allowedValues as unknown[]).join(', ')}`
      : (error.parentSchema?.description as string | undefined) && error.keyword === 'pattern'
        ? `does not have the form it needs (${error.parentSchema?.description})`
        : (error.message ?? 'is not valid');
  // A secret that was mistyped is one all the same.
  const isSecret = error.parentSchema?.writeOnly === true;
  return isSecret ? `${name}: ${rule}` : `${name}=${written[name]}: ${rule}`;
}
