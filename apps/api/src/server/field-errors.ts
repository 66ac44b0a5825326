import { type ErrorCode, type FieldError, FleetError } from '@comfy-fleet/contracts';
import type { ErrorObject } from 'ajv';
import { closest, distance } from 'fastest-levenshtein';

/** How many faults of one body an error lists. */
export const MOST_FAULTS = 50;

/** An error about these fields, or about parts of them. */
export function fieldsError(code: ErrorCode, errors: readonly FieldError[]): FleetError {
  const detail = errors.map((error) => `${error.pointer} ${error.detail}`.trim()).join('; ');
  return new FleetError(code, detail.endsWith('?') ? detail : `${detail}.`, { errors });
}

export function fieldError(code: ErrorCode, pointer: string, detail: string): FleetError {
  return fieldsError(code, [{ pointer, detail }]);
}

export function invalidImage(pointer: string, detail: string, cause?: unknown): FleetError {
  return new FleetError('invalid_image', detail, { errors: [{ pointer, detail }], cause });
}

/** The same error about the field that has the URL; for errors of safe-http, which know no fields. */
export function aboutUrl(error: unknown, pointer: string): unknown {
  if (!(error instanceof FleetError) || !['url_not_allowed', 'url_unreachable'].includes(error.code)) return error;
  const { code, detail, cause } = error;
  return new FleetError(code, detail, { errors: [{ pointer, detail }], cause });
}

/** Longer than any misspelt name of a field. */
const MOST_NAME_CHARS = 64;

/** Translates the errors of ajv (`verbose`) for callers. */
export function fieldErrors(found: readonly ErrorObject[]): FieldError[] {
  return found.slice(0, MOST_FAULTS).map((error) => ({ pointer: pointerOf(error), detail: detailOf(error) }));
}

function pointerOf({ keyword, instancePath, params }: ErrorObject): string {
  const field = keyword === 'required' ? params.missingProperty : params.additionalProperty;
  return field === undefined || field === '' ? instancePath : `${instancePath}/${escapePointer(field)}`;
}

function detailOf(error: ErrorObject): string {
  const { keyword, params, parentSchema = {} } = error;
  switch (keyword) {
    case 'required':
      return 'is required';
    case 'additionalProperties':
      return `unknown field; ${suggestField(params.additionalProperty, Object.keys(parentSchema.properties ?? {}))}`;
    case 'type':
      return typeof error.data === 'bigint'
        ? 'is too large for a JSON number; write it as a string'
        : `must be ${typeNames(params.type)}`;
    case 'enum':
      return oneOf(params.allowedValues.map(String), error.data);
    case 'minimum':
      return `must be ${params.limit} or more`;
    case 'maximum':
      return `must be ${params.limit} or less`;
    case 'multipleOf':
      return `must be a multiple of ${params.multipleOf}`;
    case 'minLength':
      return 'must not be empty';
    case 'maxLength':
      return `must have at most ${params.limit} characters`;
    case 'minItems':
      return `must have at least ${params.limit} ${params.limit === 1 ? 'entry' : 'entries'}`;
    case 'maxItems':
      return `must have at most ${params.limit} entries`;
    case 'uniqueItems':
      return 'must not name anything twice';
    case 'format':
      return FORMATS[params.format] ?? `must be a ${params.format}`;
    case 'pattern':
      return `does not have the form it needs (${parentSchema.description})`;
    default:
      return error.message ?? 'is not valid';
  }
}

/** How many options of a field an error lists; an instance may have thousands of LoRAs. */
const MOST_OPTIONS = 50;

function oneOf(options: readonly string[], given: unknown): string {
  if (options.length === 0) return 'has no option: there is nothing to choose from';
  const all = `must be one of ${options.slice(0, MOST_OPTIONS).join(', ')}`;
  if (options.length <= MOST_OPTIONS) return all;
  const isName = typeof given === 'string' && given.length <= MOST_NAME_CHARS;
  const nearest = isName ? `; did you mean ${closest(given, options)}?` : '';
  return `${all} and ${options.length - MOST_OPTIONS} more${nearest}`;
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': 'must be a time like 2026-11-25T10:00:00Z',
  uuid: 'must be the id of a job',
};

const TYPE_NAMES: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a string',
  object: 'an object',
  array: 'an array',
};

function typeNames(types: string | readonly string[]): string {
  const list = typeof types === 'string' ? [types] : types;
  return list.map((type) => TYPE_NAMES[type] ?? type).join(' or ');
}

/** Escapes a field name for a JSON pointer (RFC 6901). */
export function escapePointer(field: string): string {
  return field.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Suggests the field that was probably meant, or lists all fields when none is similar. */
function suggestField(unknown: string, known: readonly string[]): string {
  const all = `the fields are ${known.join(', ')}`;
  if (unknown.length > MOST_NAME_CHARS) return all;
  const written = unknown.toLowerCase();
  const nearest = closest(written, known);
  const takesInputs = known.includes('inputs');
  // A name that is not clearly a misspelt field is more likely an input of the workflow.
  const mostTypos = takesInputs ? 1 : Math.max(2, nearest.length / 2);
  if (distance(written, nearest) <= mostTypos) return `did you mean ${nearest}?`;
  // cfg_scale or sampler_name differ in many letters but begin with the right name.
  const within = known.find((field) => written.startsWith(field));
  if (within !== undefined) return `did you mean ${within}?`;
  return takesInputs ? `if it is an input of the workflow, put it under \`inputs\`` : all;
}
