import { Ajv, type ErrorObject } from 'ajv';
import type { TSchema } from 'typebox';

/** Keeps what it compiled, by the schema. */
let ajv: Ajv | undefined;

/** What is wrong with a value, all of it; nothing when it is as the schema says. */
export function schemaErrors(schema: TSchema, value: unknown): readonly ErrorObject[] {
  ajv ??= new Ajv({ allErrors: true, strict: false });
  const validate = ajv.compile(schema);
  return validate(value) ? [] : (validate.errors ?? []);
}
