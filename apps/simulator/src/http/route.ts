import type { Engine } from '../engine.js';
import { isObject, type Json, type JsonObject, parseJson, UncaughtError, type Writable } from '../python.js';

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
  /** A file, with support for ranges and conditional requests, at no more than `bytesPerSecond`. */
  | { readonly file: string; readonly bytesPerSecond?: number | undefined }
  /** No answer: the connection is reset. */
  | { readonly reset: true };

export type Handler = (request: RouteRequest, engine: Engine) => Reply | Promise<Reply>;

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** An Express path. It also exists under /api, unless `noApiAlias`. */
  readonly path: string;
  readonly handle: Handler;
  readonly noApiAlias?: boolean;
  /** 0.3.64 does not have it. */
  readonly onlyIn033?: boolean;
}

export function json(value: Writable, status = 200): Reply {
  return { status, body: { json: value } };
}

export function empty(status = 200): Reply {
  return { status };
}

/** Parses the body as JSON, whatever its content type. Throws an UncaughtError if it is malformed. */
export function jsonBody(body: Buffer): Json {
  const parsed = tryJson(body);
  if (parsed === undefined) throw new UncaughtError('the body is not JSON');
  return parsed;
}

/** Like jsonBody, but returns undefined if the body is malformed. */
export function tryJson(body: Buffer): Json | undefined {
  try {
    return parseJson(body.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The members of a body. In Python, `in` finds none in lists and strings, and raises for other values. */
export function membersOf(value: Json): JsonObject {
  if (isObject(value)) return value;
  if (Array.isArray(value) || typeof value === 'string') return {};
  throw new UncaughtError('the body has no members');
}

/** The ids that a for-loop in Python visits: a string yields its characters, null raises. */
export function idsIn(value: Json | undefined): string[] {
  if (value === undefined) return [];
  if (typeof value === 'string') return [...value];
  if (Array.isArray(value)) return value.filter((id) => typeof id === 'string');
  if (isObject(value)) return Object.keys(value);
  throw new UncaughtError('not a list');
}
