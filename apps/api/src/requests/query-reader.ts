import { type FieldError, FleetError } from '@comfy-fleet/contracts';
import type { Static, TObject } from 'typebox';
import { refuseFaults } from './refuse-faults.js';
import { createValidator } from './validator.js';

/** Reads a query as the schema has it, numbers written in digits. Throws validation_failed with every fault. */
export function createQueryReader<T extends TObject>(schema: T): (query: URLSearchParams) => Static<T> {
  const validate = createValidator(schema);
  return (query) => {
    const twice = [...new Set(query.keys())].filter((name) => query.getAll(name).length > 1);
    if (twice.length > 0) {
      const errors: FieldError[] = twice.map((name) => ({ pointer: `/${name}`, detail: 'is given more than once' }));
      throw new FleetError('validation_failed', 'A parameter of the query is given more than once.', { errors });
    }
    const { value, errors } = validate(Object.fromEntries(query), { isForm: true });
    refuseFaults(errors);
    return value;
  };
}
