import type { Fleet, Workflow } from '@comfy-fleet/client';
import { UsageError } from '../command.js';
import { butThereIs } from './nearest.js';

/** As they are written on the command line or in a sheet. */
export interface Inputs {
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Paths, by the names of inputs. */
  readonly files: Readonly<Record<string, string>>;
}

interface InputSchema {
  readonly type?: string | readonly string[];
  readonly contentMediaType?: string;
}

const WORDS: Readonly<Record<string, boolean>> = { true: true, false: false };

const described = new WeakMap<Fleet, Map<string, Promise<Workflow>>>();

/**
 * Texts become what the inputs of the workflow take: numbers, true and false; a text for a file input is the path of the
 * file, unless it says where the file is already (`asset:…`, an address). Throws a UsageError.
 */
export async function readInputs(fleet: Fleet, workflow: string, given: Inputs): Promise<Inputs> {
  const schemas = ((await describe(fleet, workflow)).inputs.properties ?? {}) as Readonly<Record<string, InputSchema>>;
  const files: Record<string, string> = {};
  const inputs: Record<string, unknown> = {};
  for (const [name, path] of Object.entries(given.files)) files[name] = path.replace(/^@/, '');
  for (const name of [...Object.keys(files), ...Object.keys(given.inputs)]) {
    if (Object.hasOwn(schemas, name)) continue;
    throw new UsageError(`${workflow} has no input ${name}${await butThereIs(name, Object.keys(schemas))}`);
  }
  for (const [name, value] of Object.entries(given.inputs)) {
    const schema = schemas[name] ?? {};
    if (isPath(schema, value)) files[name] = value.replace(/^@/, '');
    else inputs[name] = typeof value === 'string' ? typed(name, value, schema) : value;
  }
  return { inputs, files };
}

/** Once for all rows of a sheet. */
function describe(fleet: Fleet, workflow: string): Promise<Workflow> {
  const known = described.get(fleet) ?? new Map<string, Promise<Workflow>>();
  described.set(fleet, known);
  const asked = known.get(workflow) ?? fleet.workflow(workflow);
  known.set(workflow, asked);
  return asked;
}

function isPath({ contentMediaType }: InputSchema, value: unknown): value is string {
  return contentMediaType !== undefined && typeof value === 'string' && !/^(asset:|job:|https?:|data:)/.test(value);
}

function typed(name: string, text: string, { type }: InputSchema): unknown {
  if (type === 'integer' || type === 'number') {
    if (text.trim() === '' || !Number.isFinite(Number(text))) throw new UsageError(`${name} is a number, not ${text}.`);
    return Number(text);
  }
  if (type !== 'boolean') return text;
  const value = WORDS[text];
  if (value === undefined) throw new UsageError(`${name} is true or false, not ${text}.`);
  return value;
}
