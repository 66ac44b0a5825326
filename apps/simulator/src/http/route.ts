import type { Engine } from '../engine.js';
import { isObject, type Json, type JsonObject, parseJson, UnforeseenError, type Writable } from '../python.js';

export interface RouteRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: ReplyBody;
}

export type ReplyBody =
  | { readonly json: Writable }
  | { readonly text: string }
  | { readonly bytes: Buffer }
  /** A file as it is, with Range and conditional requests. `bytesPerSecond`: no faster than that. */
  | { readonly file: string; readonly bytesPerSecond?: number | undefined }
  /** No answer: the connection is cut. */
  | { readonly reset: true };

export type Handler = (request: RouteRequest, engine: Engine) => Reply | Promise<Reply>;

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** An Express path; it exists under /api as well, unless `onlyAsIs`. */
  readonly path: string;
  readonly handle: Handler;
  readonly onlyAsIs?: boolean;
  /** Absent in the older version. */
  readonly onlyNew?: boolean;
}

export function json(value: Writable, status = 200): Reply {
  return { status, body: { json: value } };
}

export function empty(status = 200): Reply {
  return { status };
}

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
