import { type FieldError, FleetError, type RequestLimits } from '@comfy-fleet/contracts';
import { MAX_NUMBER_CHARS } from '@comfy-fleet/workflows';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { LRUCache } from 'lru-cache';
import type { Static, TObject } from 'typebox';
import { fieldError, fieldErrors, fieldsError, MOST_FAULTS } from './field-errors.js';
import { parseBoundedJson } from './json-body.js';
import type { ApiRequest, Reply, Route } from './messages.js';

/** The service's limits, and those of workflows and keys that have their own. */
const MOST_LIMITS = 50;
/** Of a field that is an object, as metadata and webhook are. */
const OBJECT_LIMITS = { depth: 8, values: 1000, names: 1000, nameBytes: 1024 };
const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** Far more fields than any object of a request has. Each further one would be checked, and answered by a fault of its own. */
const MOST_FIELDS = 100;

/** JSON can write these (`\ud800`); UTF-8 cannot, nor can ComfyUI's Python or Redis' Lua read them. */
const HALF_A_CHARACTER = 'has half of a surrogate pair, which is no character; send valid Unicode';

interface Checked<T> {
  /** Valid only while `errors` is empty. */
  readonly value: T;
  readonly errors: FieldError[];
}

/** Checks a body against a schema and finds every fault. `isForm`: the values are text. */
export type Validator<T> = (body: unknown, options: { readonly isForm: boolean }) => Checked<T>;

export function createValidator<T extends TObject>(schema: T): Validator<Static<T>> {
  // With the first body: compiling all schemas took a process a fifth of its start.
  let validate: ValidateFunction | undefined;
  return (body, { isForm }) => {
    validate ??= compiled(schema);
    const value = isForm ? formFields(body, schema) : (body ?? {});
    const tooMany = overfull(value);
    const found = () => (validate?.(value) ? halfCharacters(value) : fieldErrors(validate?.errors ?? []));
    return { value: value as Static<T>, errors: tooMany.length > 0 ? tooMany : found() };
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
  // The schema is ours: checking it would take ten times as long as compiling it, and V8 optimises the code.
  const options = { allErrors: true, strict: false, verbose: true, validateSchema: false, code: { optimize: false } };
  return formats.default(new Ajv(options)).compile(schema);
}

/** The error about one field. */
export function invalidAt(pointer: string, detail: string): FleetError {
  return fieldError('validation_failed', pointer, detail);
}

/** Throws validation_failed when there are any. */
export function refuseFaults(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw fieldsError('validation_failed', errors);
}

/** Too many fields at the top of a body, or one level below. */
function overfull(body: unknown): FieldError[] {
  const tooMany = (value: unknown, pointer: string): FieldError[] => {
    const count = typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
    return count > MOST_FIELDS ? [{ pointer, detail: `has ${count} entries; ${MOST_FIELDS} are the most` }] : [];
  };
  const here = tooMany(body, '');
  if (here.length > 0 || typeof body !== 'object' || body === null) return here;
  return Object.entries(body).flatMap(([name, value]) => tooMany(value, `/${name}`));
}

/** Texts and names of fields that are no valid Unicode, in a value whose depth its schema bounds. */
function halfCharacters(value: unknown, pointer = ''): FieldError[] {
  if (typeof value === 'string') return value.isWellFormed() ? [] : [{ pointer, detail: HALF_A_CHARACTER }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    name.isWellFormed() ? halfCharacters(part, `${pointer}/${name}`) : [{ pointer, detail: HALF_A_CHARACTER }],
  );
}

/** The text fields of a form as the numbers and objects of the schema. Others stay text, which the schema refuses. */
function formFields(body: unknown, { properties }: TObject): Record<string, unknown> {
  const fields = Object.entries((body ?? {}) as Record<string, unknown>);
  return Object.fromEntries(fields.map(([name, value]) => [name, meant(value, properties[name])]));
}

function meant(value: unknown, schema: object | undefined): unknown {
  if (typeof value !== 'string' || schema === undefined || !('type' in schema)) return value;
  if (schema.type === 'boolean') return value === 'true' || (value === 'false' ? false : value);
  const wantsNumber = schema.type === 'integer' || schema.type === 'number';
  if (wantsNumber) return value.length <= MAX_NUMBER_CHARS && NUMBER.test(value) ? Number(value) : value;
  try {
    return schema.type === 'object' ? parseBoundedJson(value, OBJECT_LIMITS) : value;
  } catch {
    return value;
  }
}

/** Reads a query as the schema has it, numbers written in digits. Throws validation_failed with every fault. */
function createQueryReader<T extends TObject>(schema: T): (query: URLSearchParams) => Static<T> {
  const validate = createValidator(schema);
  return (query) => {
    const seen = new Set<string>();
    const twice = new Set<string>();
    for (const name of query.keys()) (seen.has(name) ? twice : seen).add(name);
    const names = [...twice].slice(0, MOST_FAULTS);
    const repeated = names.map((name) => ({ pointer: `/${name}`, detail: 'is given more than once' }));
    if (repeated.length > 0) {
      const detail = 'A parameter of the query is given more than once.';
      throw new FleetError('validation_failed', detail, { errors: repeated });
    }
    const { value, errors } = validate(Object.fromEntries(query), { isForm: true });
    refuseFaults(errors);
    return value;
  };
}

/** A handler that gets the query as its schema has it. A query that does not fit is refused with every fault. */
export function queried<Q extends TObject>(
  query: Q,
  handler: (request: ApiRequest, query: Static<Q>) => Promise<Reply> | Reply,
): Pick<Route, 'handler'> & { readonly query: Q } {
  const read = createQueryReader(query);
  return { query, handler: (request) => handler(request, read(request.query)) };
}

/**
 * Reads the fields of a body for an API that ignores fields that it does not know, and those without a value. Throws
 * validation_failed with every fault.
 */
export function createFieldReader<T extends TObject>(
  schema: T,
): (request: Pick<ApiRequest, 'body' | 'isForm'>) => Static<T> {
  const validate = createValidator(schema);
  return ({ body, isForm }) => {
    const isGiven = ([name, value]: readonly [string, unknown]) =>
      Object.hasOwn(schema.properties, name) && value !== null && value !== '';
    const { value, errors } = validate(Object.fromEntries(Object.entries(Object(body)).filter(isGiven)), { isForm });
    refuseFaults(errors);
    return value;
  };
}

/** A page of names that are sorted, from after the name `cursor` on. */
export function pageOf<T>(
  sorted: readonly T[],
  nameOf: (one: T) => string,
  { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
): { readonly page: readonly T[]; readonly has_more: boolean; readonly next_cursor: string | null } {
  const rest = cursor === undefined ? sorted : sorted.filter((one) => nameOf(one) > cursor);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  const has_more = rest.length > limit;
  return { page, has_more, next_cursor: has_more && last !== undefined ? nameOf(last) : null };
}
