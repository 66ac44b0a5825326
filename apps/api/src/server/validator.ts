import { type FieldError, FleetError, type RequestLimits } from '@comfy-fleet/contracts';
import { MAX_NUMBER_CHARS } from '@comfy-fleet/workflows';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { LRUCache } from 'lru-cache';
import type { Static, TObject } from 'typebox';
import { escapePointer, fieldError, fieldErrors, fieldsError, MOST_FAULTS } from './field-errors.js';
import { parseBoundedJson } from './json-body.js';
import type { ApiRequest, Reply, Route } from './messages.js';

/** How many sets of limits have compiled validators: the service's, and those of workflows and keys. */
const MOST_LIMITS = 50;
/** For form fields that hold a JSON object, such as metadata and webhook. */
const OBJECT_LIMITS = { depth: 8, values: 1000, names: 1000, nameBytes: 1024 };
const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** More fields than any valid request has. Without this limit, each unknown field would produce a fault of its own. */
const MOST_FIELDS = 100;

/** JSON can express a lone surrogate (`\ud800`), but UTF-8 cannot, and ComfyUI's Python and Redis' Lua cannot read it. */
const LONE_SURROGATE = 'has half of a surrogate pair, which is not a character; send valid Unicode';

interface Checked<T> {
  /** Valid only while `errors` is empty. */
  readonly value: T;
  readonly errors: FieldError[];
}

/** Checks a body against a schema and returns every fault. `isForm`: the values are text. */
export type Validator<T> = (body: unknown, options: { readonly isForm: boolean }) => Checked<T>;

export function createValidator<T extends TObject>(schema: T): Validator<Static<T>> {
  // Compiled with the first body: compiling all schemas took a fifth of the process start.
  let validate: ValidateFunction | undefined;
  return (body, { isForm }) => {
    validate ??= compiled(schema);
    const value = isForm ? formFields(body, schema) : (body ?? {});
    const tooMany = excessFields(value);
    const found = () => (validate?.(value) ? loneSurrogates(value) : fieldErrors(validate?.errors ?? []));
    return { value: value as Static<T>, errors: tooMany.length > 0 ? tooMany : found() };
  };
}

/** Caches a validator for each set of limits. */
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
  // The schema is our own: validating it would take ten times as long as compiling it, and V8 optimises the code anyway.
  const options = { allErrors: true, strict: false, verbose: true, validateSchema: false, code: { optimize: false } };
  return formats.default(new Ajv(options)).compile(schema);
}

/** A validation_failed error about one field. */
export function invalidAt(pointer: string, detail: string): FleetError {
  return fieldError('validation_failed', pointer, detail);
}

/** The same for APIs of others, whose errors name fields without a pointer. */
export function invalidField(field: string, detail: string): FleetError {
  const errors = [{ pointer: `/${field}`, detail }];
  return new FleetError('validation_failed', `${field} ${detail}.`, { errors });
}

/** Throws validation_failed if there are any errors. */
export function refuseFaults(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw fieldsError('validation_failed', errors);
}

/** How deep bodies are checked for too many fields. Nothing that a schema describes is deeper. */
const FIELD_LEVELS = 3;

/** Faults for objects and arrays with too many entries. */
function excessFields(value: unknown, pointer = '', levels = FIELD_LEVELS): FieldError[] {
  if (levels === 0 || typeof value !== 'object' || value === null) return [];
  const entries = Object.entries(value);
  if (entries.length > MOST_FIELDS) {
    return [{ pointer, detail: `has ${entries.length} entries; at most ${MOST_FIELDS} are allowed` }];
  }
  return entries.flatMap(([name, part]) => excessFields(part, `${pointer}/${escapePointer(name)}`, levels - 1));
}

/** Faults for strings and field names that are not valid Unicode. The schema bounds the depth of the value. */
function loneSurrogates(value: unknown, pointer = ''): FieldError[] {
  if (typeof value === 'string') return value.isWellFormed() ? [] : [{ pointer, detail: LONE_SURROGATE }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    name.isWellFormed() ? loneSurrogates(part, `${pointer}/${name}`) : [{ pointer, detail: LONE_SURROGATE }],
  );
}

/** Parses form fields into the numbers, booleans and objects of the schema. Invalid ones stay text, which the schema refuses. */
function formFields(body: unknown, { properties }: TObject): Record<string, unknown> {
  const fields = Object.entries((body ?? {}) as Record<string, unknown>);
  return Object.fromEntries(fields.map(([name, value]) => [name, parseField(value, properties[name])]));
}

function parseField(value: unknown, schema: object | undefined): unknown {
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

/** Reads a query string by its schema, with numbers in decimal. Throws validation_failed with every fault. */
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

/** A handler that receives the query validated by its schema. An invalid query is refused with every fault. */
export function queried<Q extends TObject>(
  query: Q,
  handler: (request: ApiRequest, query: Static<Q>) => Promise<Reply> | Reply,
): Pick<Route, 'handler'> & { readonly query: Q } {
  const read = createQueryReader(query);
  return { query, handler: (request) => handler(request, read(request.query)) };
}

/** Reads the fields of a body for an API that ignores unknown and empty fields. Throws validation_failed with every fault. */
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

/** A page of a list that is sorted by name, starting after the name `cursor`. */
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
