import type { RequestLimits } from '@comfy-fleet/contracts';
import type { Catalogue, JsonSchema, Workflow } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { TObject } from 'typebox';
import { escapePointer } from '../server/field-errors.js';
import { createValidator, refuseFaults, type Validator } from '../server/validator.js';

/** How many compiled schemas are cached. Compiling one takes a few ms. */
const MOST_SCHEMAS = 500;
/** Placeholder value for a file that came with the request. */
const SENT = 'sent';

export interface InputsToCheck {
  readonly catalogue: Catalogue | undefined;
  readonly limits: RequestLimits;
  readonly inputs: Readonly<Record<string, unknown>> | undefined;
  /** Inputs whose files came with the request. */
  readonly sent: readonly string[];
  /** Whether the inputs come from a form, so that their values are text. */
  readonly isForm: boolean;
}

/**
 * Validates the inputs of a request by the schema of its workflow. Throws validation_failed with every fault and its pointer
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
    // The entries of a batch usually run the same workflow. Describing it for each entry would take most of the batch's time.
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
    // The schema only requires that a file which came with the request is present.
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

/** Whether both catalogues describe the workflow's classes alike. Merged catalogues are new objects, but share descriptions. */
function isSame({ classes }: Workflow, one: Catalogue | undefined, other: Catalogue | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return classes.every((name) => one[name] === other[name]);
}

/** Whether the input takes a plain value, for which the placeholder of a file could be valid. */
function isText({ properties }: JsonSchema, name: string): boolean {
  const known = Object(properties) as Readonly<Record<string, JsonSchema>>;
  return Object.hasOwn(known, name) && known[name]?.contentMediaType === undefined;
}

function compile({ $schema: _dialect, ...schema }: JsonSchema): Validator<unknown> {
  return createValidator(schema as unknown as TObject);
}
