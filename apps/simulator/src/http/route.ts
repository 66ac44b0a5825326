import type { Engine } from '../engine.js';
import type { Writable } from '../json/write.js';

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
