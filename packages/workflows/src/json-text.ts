import { isInteger, parse } from 'lossless-json';
import { FileFault } from './file-fault.js';

/** Parses JSON; whole numbers that a JavaScript number would round (seeds up to 2^64−1) become bigints. */
export function parseJson(text: string): unknown {
  try {
    return parse(text, undefined, exactNumber);
  } catch (error) {
    throw new FileFault(`is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function exactNumber(digits: string): number | bigint {
  const number = Number(digits);
  return isInteger(digits) && !Number.isSafeInteger(number) ? BigInt(digits) : number;
}
