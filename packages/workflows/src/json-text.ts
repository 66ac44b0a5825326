import { isInteger, parse, stringify } from 'lossless-json';
import { FileFault } from './file-fault.js';

/** Parses JSON; whole numbers that a JavaScript number would round (seeds up to 2^64−1) become bigints. */
export function parseJson(text: string): unknown {
  try {
    return parse(text, undefined, exactNumber);
  } catch (error) {
    throw new FileFault(`is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A value out of parsed JSON as it was written there. */
export function showJson(value: unknown): string {
  return stringify(value) ?? String(value);
}

function exactNumber(digits: string): number | bigint {
  const number = Number(digits);
  return isInteger(digits) && !Number.isSafeInteger(number) ? BigInt(digits) : number;
}
