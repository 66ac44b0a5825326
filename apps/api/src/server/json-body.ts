import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Config } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { exactNumber, FileFault, parseJson } from '@comfy-fleet/workflows';
import { Tokenizer, TokenParser } from '@streamparser/json';

/** How deep and how large the structure of a JSON body may be. Structure costs memory and time in addition to bytes. */
export type JsonLimits = Config['http']['json'];

interface JsonOptions {
  readonly limits: JsonLimits;
  /** Runs each step of the work, so that other requests are served between steps. */
  readonly inTurn?: <T>(work: () => T) => Promise<T> | T;
  /** Counts bytes of memory that the parsed body takes. Throws if they are too many. */
  readonly holds?: (bytes: number) => void;
}

/** JSON.parse takes less than 100 ms for any body of this size. */
const AT_ONCE_BYTES = 256 * 1024;
/** Larger bodies are parsed in steps of this size, with other requests served in between. Smaller ones are parsed at once. */
export const STEP_BYTES = 16 * 1024;
/** The tokenizer's buffer for strings. */
const STRING_BYTES = 64 * 1024;
/** An object's field takes at most four tokens: name, colon, value, comma. */
const TOKENS_OF_VALUE = 4;
/** What an empty object takes, which is written with two bytes, and its part of each of its three tokens. */
const BYTES_OF_VALUE = 64;
const BYTES_OF_TOKEN = 22;
/** What V8 keeps for a name that no other object has. */
const BYTES_OF_NAME = 320;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses a JSON body. Whole numbers beyond 2^53 become bigints. Throws malformed_json, and body_too_large for too much
 * structure.
 */
export async function parseJsonBody(
  body: Buffer,
  { limits, inTurn = (work) => work(), holds = () => {} }: JsonOptions,
): Promise<unknown> {
  try {
    if (body.length > AT_ONCE_BYTES) {
      const value = await parseInSteps(body, { limits, inTurn, holds });
      await inTurn(() => holds(limitStructure(value, limits).names * BYTES_OF_NAME));
      return value;
    }
    return await inTurn(() => {
      const value = parseJson(UTF8.decode(body));
      const { values, names } = limitStructure(value, limits);
      holds(values * BYTES_OF_VALUE + names * BYTES_OF_NAME);
      return value;
    });
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const isText = code !== 'ERR_ENCODING_INVALID_ENCODED_DATA';
    throw new FleetError('malformed_json', `The body ${isText ? message : 'is not valid UTF-8'}.`, { cause });
  }
}

/** Parses a short text, such as a form field. Throws for invalid JSON, and body_too_large for too much structure. */
export function parseBoundedJson(text: string, limits: JsonLimits): unknown {
  if (text.length > AT_ONCE_BYTES) throw tooMuch(`a field has more than ${AT_ONCE_BYTES} characters`);
  const value = parseJson(text);
  limitStructure(value, limits);
  return value;
}

async function parseInSteps(body: Buffer, { limits, inTurn, holds }: Required<JsonOptions>): Promise<unknown> {
  const parser = new TokenParser({ paths: ['$'] });
  const tokenizer = new BodyTokenizer({ stringBufferSize: STRING_BYTES });
  let whole: unknown;
  parser.onValue = ({ value }) => {
    whole = value;
  };
  let tokens = 0;
  const invalid = (error: Error) => {
    const isOurs = error instanceof FleetError || error instanceof FileFault;
    throw isOurs ? error : new Error(`is not valid JSON: ${error.message}`, { cause: error });
  };
  parser.onError = invalid;
  tokenizer.onError = invalid;
  tokenizer.onToken = (token) => {
    tokens += 1;
    if (tokens > TOKENS_OF_VALUE * limits.values) throw tooManyValues(limits);
    parser.write(token);
  };
  for (let at = 0; at < body.length; at += STEP_BYTES) {
    await inTurn(() => {
      const before = tokens;
      tokenizer.write(body.subarray(at, at + STEP_BYTES));
      holds((tokens - before) * BYTES_OF_TOKEN);
    });
    await yieldToEventLoop();
  }
  tokenizer.end();
  if (!parser.isEnded) parser.end();
  return whole;
}

class BodyTokenizer extends Tokenizer {
  /** The library's types only allow numbers, but it passes bigints through. */
  override parseNumber(text: string): number {
    return exactNumber(text) as number;
  }
}

/** How many values and different names of fields there are. Throws body_too_large for too much structure. */
function limitStructure(whole: unknown, limits: JsonLimits): { readonly values: number; readonly names: number } {
  const names = new Set<string>();
  let values = 0;
  const walk = (value: unknown, depth: number): void => {
    values += 1;
    if (values > limits.values) throw tooManyValues(limits);
    if (typeof value !== 'object' || value === null) return;
    if (depth === limits.depth) throw tooMuch(`it is nested more than ${limits.depth} deep`);
    if (Array.isArray(value)) {
      for (const part of value) walk(part, depth + 1);
      return;
    }
    for (const [name, part] of Object.entries(value)) {
      if (name.length > limits.nameBytes) {
        throw tooMuch(`the name of a field has more than ${limits.nameBytes} bytes`);
      }
      names.add(name);
      if (names.size > limits.names) throw tooMuch(`it has more than ${limits.names} different names of fields`);
      walk(part, depth + 1);
    }
  };
  walk(whole, 0);
  return { values, names: names.size };
}

function tooManyValues({ values }: JsonLimits): FleetError {
  return tooMuch(`it has more than ${values} values`);
}

function tooMuch(what: string): FleetError {
  return new FleetError('body_too_large', `The body has too much in it: ${what}.`);
}

/** Whether a value of parsed JSON is an object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
