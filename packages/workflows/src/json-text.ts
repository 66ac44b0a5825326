import { randomUUID } from 'node:crypto';
import { FileFault } from './file-fault.js';

/** Longest number in JSON. BigInt() takes quadratic time; 2^64 − 1 has 20 digits, any double at most 24 characters. */
export const MAX_NUMBER_CHARS = 64;

/**
 * Where an integer beyond 2^53 − 1 = 9007199254740991 may begin: it has 17 digits, or 16 of which the first is 9.
 * Random seeds of ComfyUI's editor have 16 digits and are smaller.
 */
const MAY_BE_ROUNDED = /(?:^|[^\d.])(?:\d{17}|9\d{15})/;
/** A number of 65 characters has at most two signs, a point and an E, and therefore at least 21 digits in a row. */
const MAY_BE_TOO_LONG = /\d(?<!\d\d)\d{20}/;
/** Matches, in valid JSON, strings and numbers that are long enough to be rounded. */
const STRING_OR_LONG_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]{15,}/g;

/**
 * Parses JSON from callers and files. Integers that a JavaScript number would round (seeds up to 2^64−1) become
 * bigints. Throws a FileFault for invalid JSON and for numbers longer than MAX_NUMBER_CHARS.
 */
export function parseJson(text: string): unknown {
  const value = parsePlainJson(text);
  return MAY_BE_ROUNDED.test(text) ? parseExactly(text) : value;
}

/** Parses JSON like JSON.parse, which rounds large integers. Throws like parseJson. */
export function parsePlainJson(text: string): unknown {
  const value = parseValid(text);
  if (MAY_BE_TOO_LONG.test(text)) replaceLongNumbers(text, refuseTooLong);
  return value;
}

/**
 * Parses JSON that was accepted before, or that an instance sent, like parseJson, but rounds numbers longer than
 * MAX_NUMBER_CHARS: one of them must not make a whole record or catalogue unreadable.
 */
export function parseStoredJson(text: string): unknown {
  const value = parseValid(text);
  return MAY_BE_ROUNDED.test(text) ? parseExactly(text) : value;
}

function parseValid(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FileFault(`is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function replaceLongNumbers(text: string, replace: (number: string) => string): string {
  return text.replace(STRING_OR_LONG_NUMBER, (part) => (part.startsWith('"') ? part : replace(part)));
}

function refuseTooLong(number: string): string {
  if (number.length <= MAX_NUMBER_CHARS) return number;
  const start = number.slice(0, SHOWN_CHARS);
  throw new FileFault(
    `has a number of ${number.length} characters (${start}…), and ${MAX_NUMBER_CHARS} are the most: shorten it, or write it as text`,
  );
}

/** How much of a number that is too long is shown. */
const SHOWN_CHARS = 20;

/** Writes a value of parsed JSON as it was. Without bigints this is as fast as JSON.stringify. */
export function showJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return withBigints(value);
  }
}

/** Escapes all characters outside ASCII, as Python's json.dumps does. */
export function ascii(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Marks the digits of a bigint in a text; unique, so that no other text can contain it. */
const MARK = randomUUID();
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g');

/** JSON.stringify refuses bigints, and other libraries are ten times slower for everything else. */
function withBigints(value: unknown): string {
  const withMark = (_key: string, part: unknown) => (typeof part === 'bigint' ? `${MARK}${part}` : part);
  return JSON.stringify(value, withMark).replace(MARKED, '$1');
}

/**
 * JSON.parse does not support bigints, and other libraries are ten times slower for everything else. The text must be
 * valid.
 */
function parseExactly(text: string): unknown {
  const isMarked = (part: unknown) => typeof part === 'string' && part.startsWith(MARK);
  return JSON.parse(marked(text), (_key, part) => (isMarked(part) ? BigInt(part.slice(MARK.length)) : part));
}

function marked(text: string): string {
  return replaceLongNumbers(text, (number) => (isRounded(number) ? `"${MARK}${number}"` : number));
}

/**
 * Parses valid JSON whose values are only written again, by showMarked. Integers that a number would round become marked
 * texts: where there are many, this takes a fifth of the time that bigints take.
 */
export function parseMarked(text: string): unknown {
  return JSON.parse(MAY_BE_ROUNDED.test(text) ? marked(text) : text);
}

/** Writes a value of parseMarked as it was. */
export function showMarked(value: object): string {
  return JSON.stringify(value).replace(MARKED, '$1');
}

/** Parses a number exactly. Throws a FileFault for one longer than MAX_NUMBER_CHARS. */
export function exactNumber(text: string): number | bigint {
  refuseTooLong(text);
  return isRounded(text) ? BigInt(text) : Number(text);
}

function isRounded(number: string): boolean {
  return number.length <= MAX_NUMBER_CHARS && /^-?\d+$/.test(number) && !Number.isSafeInteger(Number(number));
}
