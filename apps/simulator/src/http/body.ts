import { parseJson } from '../json/parse.js';
import { isObject, type Json, type JsonObject } from '../json/values.js';
import { UnforeseenError } from '../unforeseen-error.js';

/** The body as JSON, whatever its content type says. Malformed: an UnforeseenError, which answers 500. */
export function jsonBody(body: Buffer): Json {
  const parsed = tryJson(body);
  if (parsed === undefined) throw new UnforeseenError('the body is not JSON');
  return parsed;
}

/** The same; undefined if it is malformed. */
export function tryJson(body: Buffer): Json | undefined {
  try {
    return parseJson(body.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A body whose members are asked for by name. Lists have none; what has no members at all raises. */
export function membersOf(value: Json): JsonObject {
  if (isObject(value)) return value;
  if (Array.isArray(value) || typeof value === 'string') return {};
  throw new UnforeseenError('the body has no members');
}

/** What Python's for-loop makes of a list of ids: a text is a row of characters, null raises. */
export function idsIn(value: Json | undefined): string[] {
  if (value === undefined) return [];
  if (typeof value === 'string') return [...value];
  if (Array.isArray(value)) return value.filter((id) => typeof id === 'string');
  if (isObject(value)) return Object.keys(value);
  throw new UnforeseenError('not a list');
}
