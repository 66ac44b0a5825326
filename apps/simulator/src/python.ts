import { Float, floatText, isTruthy } from '@comfy-fleet/workflows';
import { parse } from 'lossless-json';

export { Float, isTruthy };

/**
 * JSON as Python sees it: 7 and 7.0 differ, and integers have any size. ComfyUI's answers, stored graphs and PNG texts
 * depend on that: a seed is exact up to 2^64−1, and `cfg: 7` comes back as 7.0. A plain number in a `Json` is an
 * integer.
 */
export type Json = null | boolean | number | bigint | Float | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Float);
}

/** A number for arithmetic. Integers beyond 2^53 lose precision. */
export function toNumber(value: Json | undefined, otherwise = 0): number {
  if (value instanceof Float) return value.value;
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : otherwise;
}

/** Stands in for NaN, which Python's reader accepts although JSON has no such number. No client writes this literal. */
const NAN_STAND_IN = '0e-777001';
const BARE_WORDS = /"(?:[^"\\]|\\.)*"|NaN|-?Infinity/g;

/** Parses JSON as Python does: integers exact, floats marked, NaN and Infinity accepted. Throws a SyntaxError. */
export function parseJson(text: string): Json {
  const source = /NaN|Infinity/.test(text) ? text.replace(BARE_WORDS, standIn) : text;
  return parse(source, null, { parseNumber, onDuplicateKey: ({ newValue }) => newValue }) as Json;
}

function standIn(word: string): string {
  if (word.startsWith('"')) return word;
  if (word === 'NaN') return NAN_STAND_IN;
  return word.startsWith('-') ? '-1e777001' : '1e777001';
}

function parseNumber(text: string): Json {
  if (text === NAN_STAND_IN) return new Float(Number.NaN);
  if (/[.eE]/.test(text)) return new Float(Number(text));
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

/** What writeJson accepts: `Json`, and maps where the order of keys matters. Undefined members are left out. */
export type Writable =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | Float
  | string
  | readonly Writable[]
  | ReadonlyMap<string, Writable>
  | { readonly [key: string]: Writable };

/** Writes JSON byte for byte like Python's json.dumps: spaces after `,` and `:`, ASCII only, floats with a point. */
export function writeJson(value: Writable): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : special(value);
  if (value instanceof Float) return Number.isFinite(value.value) ? floatText(value.value) : special(value.value);
  if (isList(value)) return `[${value.map(writeJson).join(', ')}]`;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const members: string[] = [];
  for (const [key, member] of entries) if (member !== undefined) members.push(`${quote(key)}: ${writeJson(member)}`);
  return `{${members.join(', ')}}`;
}

function isList(value: object): value is readonly Writable[] {
  return Array.isArray(value);
}

function special(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

function quote(text: string): string {
  const quoted = JSON.stringify(text);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII stays as it is
  return /^[\x00-\x7e]*$/.test(quoted)
    ? quoted
    : quoted.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A Python exception that ComfyUI does not catch: the request is answered 500 with a plain text. */
export class UncaughtError extends Error {}
