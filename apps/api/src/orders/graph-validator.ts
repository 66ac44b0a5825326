import { batchGraphSchema, type FieldError, type RequestLimits } from '@comfy-fleet/contracts';
import Type from 'typebox';
import { escapePointer } from '../server/field-errors.js';
import { createValidator, type Validator } from '../server/validator.js';

/**
 * Checks the entry of a batch that has a graph; what the graph is like is found out when it is opened. A number beyond 2^53
 * was rounded when the body was parsed: ComfyUI takes its digits as text.
 */
export function createGraphValidator(limits: RequestLimits): Validator<unknown> {
  const { graph: _opened, ...fields } = batchGraphSchema(limits).properties;
  const validate = createValidator(Type.Object(fields, { additionalProperties: false }));
  return (body, options) => {
    const { graph, ...rest } = Object(body) as Readonly<Record<string, unknown>>;
    const { errors } = validate(rest, options);
    const faults = graph === undefined ? [{ pointer: '/graph', detail: 'is required' }] : roundedNumbers(graph);
    return { value: body, errors: [...errors, ...faults] };
  };
}

function roundedNumbers(graph: unknown): FieldError[] {
  return Object.entries(Object(graph)).flatMap(([id, node]) =>
    Object.entries(Object(Object(node).inputs)).flatMap(([input, value]) =>
      typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
        ? [
            {
              pointer: `/graph/${escapePointer(id)}/inputs/${escapePointer(input)}`,
              detail: 'is too large for a JSON number; write it as a string',
            },
          ]
        : [],
    ),
  );
}
