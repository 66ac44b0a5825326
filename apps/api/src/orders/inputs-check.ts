import type { RequestLimits } from '@comfy-fleet/contracts';
import { type Catalogue, type JsonSchema, showJson, type Workflow } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { TObject } from 'typebox';
import { escapePointer } from '../server/field-errors.js';
import { createValidator, refuseFaults, type Validator } from '../server/validator.js';

/** Workflows whose schemas are kept compiled, which takes some ms each. */
const MOST_SCHEMAS = 500;
/** Stands for a file that came along. */
const SENT = 'sent';

export interface InputsToCheck {
  readonly catalogue: Catalogue | undefined;
  readonly limits: RequestLimits;
  readonly inputs: Readonly<Record<string, unknown>> | undefined;
  /** Inputs whose files came along. */
  readonly sent: readonly string[];
  /** Their values are text. */
  readonly isForm: boolean;
}

/**
 * The inputs of a request as the schema of its workflow has them. Throws validation_failed with the place of every fault,
 * below `/inputs`.
 */
export type InputsCheck = (workflow: Workflow, asked: InputsToCheck) => Readonly<Record<string, unknown>>;

export function createInputsCheck(): InputsCheck {
  const compiled = new LRUCache<string, Validator<unknown>>({ max: MOST_SCHEMAS });
  const validatorOf = (schema: JsonSchema) => {
    const text = showJson(schema);
    const known = compiled.get(text) ?? compile(schema);
    compiled.set(text, known);
    return known;
  };
  return (workflow, { catalogue, limits, inputs = {}, sent, isForm }) => {
    const { schema } = workflow.describe(catalogue, limits);
    // A file that came along is there: that is all the schema asks of it.
    const files = Object.fromEntries(sent.map((name) => [name, SENT]));
    const { value, errors } = validatorOf(schema)({ ...files, ...inputs }, { isForm });
    const placed = errors.map(({ pointer, detail }) => ({ pointer: `/inputs${pointer}`, detail }));
    const given = Object.entries(Object(value)).filter(([name]) => Object.hasOwn(inputs, name));
    const misplaced = sent
      .filter((name) => isText(schema, name))
      .map((name) => ({
        pointer: `/inputs/${escapePointer(name)}`,
        detail: 'takes no file',
      }));
    refuseFaults([...placed, ...misplaced]);
    return Object.fromEntries(given);
  };
}

/** Whether it is an input that takes a value, which the name of a file would fit. */
function isText({ properties }: JsonSchema, name: string): boolean {
  const known = Object(properties) as Readonly<Record<string, JsonSchema>>;
  return Object.hasOwn(known, name) && known[name]?.contentMediaType === undefined;
}

function compile({ $schema: _dialect, ...schema }: JsonSchema): Validator<unknown> {
  return createValidator(schema as unknown as TObject);
}
