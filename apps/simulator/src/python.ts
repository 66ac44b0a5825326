import { Float, floatText, isTruthy } from '@comfy-fleet/workflows';
import { parse } from 'lossless-json';

export { Float, isTruthy };

/**
 * JSON as Python sees it. Python tells 7 from 7.0 and knows integers of any size, and ComfyUI's answers, its stored
 * graphs and the text inside its PNGs show that: a seed is exact up to 2^64−1, and `cfg: 7` comes back as 7.0. A plain JavaScript number in a `Json` is an integer.
 */
export type Json = null | boolean | number | bigint | Float | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Float);
}

/** A number for arithmetic; integers beyond 2^53 lose their last digits here, and only here. */
export function toNumber(value: Json | undefined, otherwise = 0): number {
  if (value instanceof Float) return value.value;
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : otherwise;
}

/** Stands for NaN, which Python's JSON reader takes and no JSON grammar has. No client writes this number. */
const NAN_STAND_IN = '0e-777001';
const BARE_WORDS = /"(?:[^"\\]|\\.)*"|NaN|-?Infinity/g;

/** Parses JSON as Python does: integers exact, floats marked, NaN and Infinity taken. Throws SyntaxError. */
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

/** What the writer takes: `Json`, and maps for objects whose order of keys matters. Undefined members are left out. */
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

/** Writes JSON byte for byte as Python's json.dumps does: blanks after `,` and `:`, ASCII only, floats with a point. */
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
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is what may stay as it is
  return /^[\x00-\x7e]*$/.test(quoted)
    ? quoted
    : quoted.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A request that ComfyUI answers with 500 and a plain text: something it did not foresee raised. */
export class UnforeseenError extends Error {}
