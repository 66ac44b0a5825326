import type { FieldError } from '@comfy-fleet/contracts';
import { Ajv } from 'ajv';
import type { Static, TObject } from 'typebox';
import { fieldErrors } from './field-errors.js';
import { formFields } from './form-fields.js';

export interface Checked<T> {
  /** Valid only while `errors` is empty. */
  readonly value: T;
  readonly errors: FieldError[];
}

/** Checks a body against a schema; `isForm`: the values are text and become what the schema wants. Finds every fault. */
export type Validator<T> = (body: unknown, options: { readonly isForm: boolean }) => Checked<T>;

export function createValidator<T extends TObject>(schema: T): Validator<Static<T>> {
  const options = { allErrors: true, verbose: true, strict: false } as const;
  const json = new Ajv(options).compile(schema);
  const form = new Ajv({ ...options, coerceTypes: true }).compile(schema);
  const known = Object.keys(schema.properties);
  return (body, { isForm }) => {
    const validate = isForm ? form : json;
    const value = isForm ? formFields(body) : (body ?? {});
    validate(value);
    return { value: value as Static<T>, errors: fieldErrors(validate.errors ?? [], known) };
  };
}
