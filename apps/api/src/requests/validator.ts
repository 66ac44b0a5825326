import type { FieldError } from '@comfy-fleet/contracts';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import type { Static, TObject } from 'typebox';
import { fieldErrors } from './field-errors.js';
import { formFields } from './form-fields.js';
import { halfCharacters } from './half-characters.js';
import { overfull } from './overfull.js';

interface Checked<T> {
  /** Valid only while `errors` is empty. */
  readonly value: T;
  readonly errors: FieldError[];
}

/** Checks a body against a schema and finds every fault. `isForm`: the values are text. */
export type Validator<T> = (body: unknown, options: { readonly isForm: boolean }) => Checked<T>;

export function createValidator<T extends TObject>(schema: T): Validator<Static<T>> {
  const validate = formats.default(new Ajv({ allErrors: true, strict: false, verbose: true })).compile(schema);
  return (body, { isForm }) => {
    const value = isForm ? formFields(body, schema) : (body ?? {});
    const tooMany = overfull(value);
    if (tooMany.length > 0) return { value: value as Static<T>, errors: tooMany };
    const errors = validate(value) ? halfCharacters(value) : fieldErrors(validate.errors ?? []);
    return { value: value as Static<T>, errors };
  };
}
