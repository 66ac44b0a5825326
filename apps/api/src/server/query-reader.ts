import { type FieldError, FleetError } from '@comfy-fleet/contracts';
import type { Static, TObject } from 'typebox';
import { MOST_FAULTS } from './field-errors.js';
import { createValidator, refuseFaults } from './validator.js';

/** Reads a query as the schema has it, numbers written in digits. Throws validation_failed with every fault. */
export function createQueryReader<T extends TObject>(schema: T): (query: URLSearchParams) => Static<T> {
  const validate = createValidator(schema);
  return (query) => {
    const twice = repeated(query.keys());
    if (twice.length > 0) {
      const errors: FieldError[] = twice
        .slice(0, MOST_FAULTS)
        .map((name) => ({ pointer: `/${name}`, detail: 'is given more than once' }));
      throw new FleetError('validation_failed', 'A parameter of the query is given more than once.', { errors });
    }
    const { value, errors } = validate(Object.fromEntries(query), { isForm: true });
    refuseFaults(errors);
    return value;
  };
}

/** The names that come more than once. */
function repeated(names: Iterable<string>): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) twice.add(name);
    seen.add(name);
  }
  return [...twice];
}
