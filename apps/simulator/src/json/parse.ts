import { parse } from 'lossless-json';
import { Float, type Json } from './values.js';

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
