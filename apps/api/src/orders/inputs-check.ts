import type { RequestLimits } from '@comfy-fleet/contracts';
import type { Catalogue, JsonSchema, Workflow } from '@comfy-fleet/workflows';
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

interface Compiled {
  /** The catalogue that the schema was made from. */
  readonly catalogue: Catalogue | undefined;
  readonly schema: JsonSchema;
  readonly validate: Validator<unknown>;
}

export function createInputsCheck(): InputsCheck {
  const compiled = new LRUCache<string, Compiled>({ max: MOST_SCHEMAS });
  const compiledFor = (workflow: Workflow, catalogue: Catalogue | undefined, limits: RequestLimits) => {
    // Entries of a batch mostly run the same workflow: to describe it anew for each takes most of the time of the batch.
    const id = JSON.stringify([workflow.name, workflow.version, limits]);
    const before = compiled.get(id);
    if (before !== undefined && isSame(workflow, before.catalogue, catalogue)) return before;
    const { schema } = workflow.describe(catalogue, limits);
    const made = { catalogue, schema, validate: compile(schema) };
    compiled.set(id, made);
    return made;
  };
  return (workflow, { catalogue, limits, inputs = {}, sent, isForm }) => {
    const { schema, validate } = compiledFor(workflow, catalogue, limits);
    // A file that came along is there: that is all the schema asks of it.
    const files = Object.fromEntries(sent.map((name) => [name, SENT]));
    const { value, errors } = validate({ ...files, ...inputs }, { isForm });
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

/** Unions of catalogues are made anew for each request, but the descriptions of their classes are not. */
function isSame({ classes }: Workflow, one: Catalogue | undefined, other: Catalogue | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return classes.every((name) => one[name] === other[name]);
}

/** Whether it is an input that takes a value, which the name of a file would fit. */
function isText({ properties }: JsonSchema, name: string): boolean {
  const known = Object(properties) as Readonly<Record<string, JsonSchema>>;
  return Object.hasOwn(known, name) && known[name]?.contentMediaType === undefined;
}

function compile({ $schema: _dialect, ...schema }: JsonSchema): Validator<unknown> {
  return createValidator(schema as unknown as TObject);
}
