import { MAX_NUMBER_CHARS } from '@comfy-fleet/workflows';
import type { TObject } from 'typebox';
import { parseBoundedJson } from './json-body.js';

/** Of a field that is an object, as metadata and webhook are: no more is parsed. */
const OBJECT_LIMITS = { depth: 8, values: 1000, names: 1000, nameBytes: 1024 };

const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/**
 * The text fields of a form as the values they stand for: numbers where the schema wants numbers, objects (`metadata`)
 * out of JSON text. Text that is neither stays text, so that validation says what the field must be.
 */
export function formFields(body: unknown, { properties }: TObject): Record<string, unknown> {
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
