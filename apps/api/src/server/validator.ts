import { type FieldError, FleetError, type RequestLimits } from '@comfy-fleet/contracts';
import { MAX_NUMBER_CHARS } from '@comfy-fleet/workflows';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { LRUCache } from 'lru-cache';
import type { Static, TObject } from 'typebox';
import { fieldErrors, MOST_FAULTS } from './field-errors.js';
import { parseBoundedJson } from './json-body.js';

/** The service's limits, and those of workflows and keys that have their own. */
const MOST_LIMITS = 50;
/** Of a field that is an object, as metadata and webhook are: no more is parsed. */
const OBJECT_LIMITS = { depth: 8, values: 1000, names: 1000, nameBytes: 1024 };
const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** Far more fields than any object of a request has, metadata included. */
const MOST_FIELDS = 100;

const HALF_A_CHARACTER = 'has half of a surrogate pair, which is no character; send valid Unicode';

interface Checked<T> {
  /** Valid only while `errors` is empty. */
  readonly value: T;
  readonly errors: FieldError[];
}

/** Checks a body against a schema and finds every fault. `isForm`: the values are text. */
export type Validator<T> = (body: unknown, options: { readonly isForm: boolean }) => Checked<T>;

export function createValidator<T extends TObject>(schema: T): Validator<Static<T>> {
  // At the first body: to compile all of them took a process a fifth of its start.
  let validate: ValidateFunction | undefined;
  return (body, { isForm }) => {
    validate ??= compiled(schema);
    const value = isForm ? formFields(body, schema) : (body ?? {});
    const tooMany = overfull(value);
    if (tooMany.length > 0) return { value: value as Static<T>, errors: tooMany };
    const errors = validate(value) ? halfCharacters(value) : fieldErrors(validate.errors ?? []);
    return { value: value as Static<T>, errors };
  };
}

/** A validator for each set of limits. */
export function createLimitedValidator<T extends TObject>(
  schemaOf: (limits: RequestLimits) => T,
): (limits: RequestLimits) => Validator<Static<T>> {
  const known = new LRUCache<string, Validator<Static<T>>>({ max: MOST_LIMITS });
  return (limits) => {
    const id = JSON.stringify(limits);
    const validator = known.get(id) ?? createValidator(schemaOf(limits));
    known.set(id, validator);
    return validator;
  };
}

function compiled(schema: TObject): ValidateFunction {
  // The schema is ours: to check that it is one would take Ajv ten times as long as to compile it, and V8 optimises the code.
  const options = { allErrors: true, strict: false, verbose: true, validateSchema: false, code: { optimize: false } };
  return formats.default(new Ajv(options)).compile(schema);
}

/** Throws validation_failed when there are any. */
export function refuseFaults(errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  const detail = errors
    .map((error) => [error.pointer, error.detail].filter((part) => part !== '').join(' '))
    .join('; ');
  throw new FleetError('validation_failed', `${detail}.`, { errors });
}

/**
 * The fault of a body with far too many fields, at its top or one level below. Each would be checked, looked for among
 * the known ones and answered by a fault of its own.
 */
function overfull(body: unknown): FieldError[] {
  const here = faultOf(body, '');
  if (here !== undefined || typeof body !== 'object' || body === null) return here === undefined ? [] : [here];
  const below = Object.entries(body).map(([name, value]) => faultOf(value, `/${name}`));
  return below.filter((fault) => fault !== undefined);
}

function faultOf(value: unknown, pointer: string): FieldError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const count = Object.keys(value).length;
  return count > MOST_FIELDS ? { pointer, detail: `has ${count} entries; ${MOST_FIELDS} are the most` } : undefined;
}

/**
 * The places of texts, and of names of fields, that are no valid Unicode: JSON can write them (`\ud800`), UTF-8 cannot, nor
 * can ComfyUI's Python or Redis' Lua read them. To be asked of what has the form of its schema, which bounds its depth.
 */
function halfCharacters(value: unknown, pointer = ''): FieldError[] {
  if (typeof value === 'string') return value.isWellFormed() ? [] : [{ pointer, detail: HALF_A_CHARACTER }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    name.isWellFormed() ? halfCharacters(part, `${pointer}/${name}`) : [{ pointer, detail: HALF_A_CHARACTER }],
  );
}

/**
 * The text fields of a form as the values they stand for: numbers where the schema wants numbers, objects (`metadata`)
 * out of JSON text. Text that is neither stays text, so that validation says what the field must be.
 */
function formFields(body: unknown, { properties }: TObject): Record<string, unknown> {
  const fields = Object.entries((body ?? {}) as Record<string, unknown>);
  return Object.fromEntries(fields.map(([name, value]) => [name, meant(value, properties[name])]));
}

function meant(value: unknown, schema: object | undefined): unknown {
  if (typeof value !== 'string' || schema === undefined || !('type' in schema)) return value;
  if (schema.type === 'object') return parsed(value);
  const wantsNumber = schema.type === 'integer' || schema.type === 'number';
  return wantsNumber && value.length <= MAX_NUMBER_CHARS && NUMBER.test(value) ? Number(value) : value;
}

function parsed(text: string): unknown {
  try {
    return parseBoundedJson(text, OBJECT_LIMITS);
  } catch {
    return text;
  }
}

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

/** A page of names that are sorted, from after the name `cursor` on. */
export function pageOf<T>(
  sorted: readonly T[],
  nameOf: (one: T) => string,
  { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
): { readonly page: readonly T[]; readonly has_more: boolean; readonly next_cursor: string | null } {
  const start = cursor === undefined ? 0 : sorted.findIndex((one) => nameOf(one) > cursor);
  const page = start < 0 ? [] : sorted.slice(start, start + limit);
  const last = page.at(-1);
  const has_more = start >= 0 && start + limit < sorted.length;
  return { page, has_more, next_cursor: has_more && last !== undefined ? nameOf(last) : null };
}
