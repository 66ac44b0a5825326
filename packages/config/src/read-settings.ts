import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Static, TObject } from 'typebox';
import { ConfigError } from './config-error.js';
import type { Environment } from './environment.js';
import { withSecretFiles } from './secret-files.js';

/** What was compiled, which takes far longer than to validate. */
const validators = new WeakMap<TObject, ValidateFunction>();

/**
 * Reads the variables that `schema` names out of `env`: text becomes numbers and booleans, absent and empty ones get
 * their default; a secret may be in a file, see withSecretFiles. Throws one ConfigError with every fault.
 */
export function readSettings<T extends TObject>(schema: T, given: Environment): Static<T> {
  const values: Record<string, unknown> = {};
  const { env, faults } = withSecretFiles(schema, given);
  for (const name of Object.keys(schema.properties)) {
    const text = env[name]?.trim();
    if (text !== undefined && text !== '') values[name] = text;
  }
  const written = { ...values };
  const validate = validatorOf(schema);
  const isValid = validate(values);
  const all = [...faults, ...(validate.errors ?? []).map((error) => fault(error, written))];
  if (!isValid || all.length > 0) throw new ConfigError(all);
  const endless = Object.keys(values).filter(
    (name) => typeof values[name] === 'number' && !Number.isFinite(values[name]),
  );
  if (endless.length > 0) throw new ConfigError(endless.map((name) => `${name}=${written[name]}: must be finite`));
  return values as Static<T>;
}

function validatorOf(schema: TObject): ValidateFunction {
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const made = new Ajv({
    allErrors: true,
    coerceTypes: true,
    useDefaults: true,
    strict: false,
    verbose: true,
    // The schema is ours: to check that it is one would take Ajv ten times as long as to compile it.
    validateSchema: false,
    code: { optimize: false }, // it runs once
  }).compile(schema);
  validators.set(schema, made);
  return made;
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
