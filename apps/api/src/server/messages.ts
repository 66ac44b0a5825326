import type { Readable } from 'node:stream';
import type { ErrorCode, FleetError } from '@comfy-fleet/contracts';
import type { ByteRange } from '@comfy-fleet/frames';
import type { AssetFile } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { TObject } from 'typebox';
import type { Access, Caller } from './gate.js';

/** A request as handlers see it, independent of Express. */
export interface ApiRequest {
  readonly method: string;
  /** Still percent-encoded, without the query. */
  readonly path: string;
  /** The `:names` of the route's path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /** Throws on routes that work without a key; use `visitor` there. */
  readonly caller: Caller;
  /** Throws if the key was revoked, or may not call the route any more, since the request arrived. */
  readmit(): Promise<void>;
  /** The caller; undefined on public routes, for signed URLs, and when an optional key is absent. */
  readonly visitor: Caller | undefined;
  /** The byte range that the caller requests of `size` bytes; undefined: the whole file. */
  range(size: number): ByteRange | 'unsatisfiable' | undefined;
  /** The reply to an error that needs extra headers, in the format of the requested API. Other errors are thrown. */
  refuse(error: FleetError, headers: Readonly<Record<string, string>>): Reply;
  /** The parsed JSON, the text fields of a form, or the bytes of a `workflow`. Not validated yet. */
  readonly body: unknown;
  /** The body was a form, so its numbers are text. */
  readonly isForm: boolean;
  /** The file of a form that was read into memory. */
  readonly file: Buffer | undefined;
  /** The uploaded files, on routes that store them. */
  readonly files: readonly SentFile[];
  /** The media type of the body, without parameters, in lower case. */
  readonly contentType: string;
  /** Counts memory besides the body until the request is answered. Throws like an upload that exceeds the budget. */
  holds(bytes: number): void;
  /** Adds the request's id to each line. */
  readonly log: Logger;
  /** Aborts when the caller disconnects or has received the whole response. */
  readonly signal: AbortSignal;
}

/** A file that came with a request and is in the input store. */
export interface SentFile {
  /** Name of the form field. */
  readonly field: string;
  readonly filename: string | undefined;
  readonly file: AssetFile;
}

/** The response of a handler. An object is sent as JSON, a string is already JSON, and a stream is sent as it is. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object | string | Readable;
  /** The job's id, for the log. */
  readonly job?: string;
  /** The code of the error that this reply reports, for the metrics. */
  readonly refused?: ErrorCode;
}

export type Handler = (request: ApiRequest) => Promise<Reply> | Reply;

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Schema of the query; see `queried`. */
  readonly query?: TObject;
  readonly access: Access;
  /** The key may also be sent as HTTP Basic: as the password, or as the user name without a password. */
  readonly basic?: true;
  readonly handler: Handler;
  /**
   * How the body is read before the handler is called; undefined: the body is not read.
   * `json`: JSON. `graph`: JSON with a graph. `loose`: the same with any content type.
   * `picture`: JSON with a picture in base64, or a form with one. `pictures`: a form in which several files may have the
   * same field name. `files`: JSON, or a form with files. `file`: a file, as the body or in a form.
   * `workflow`: the bytes of JSON or a picture.
   */
  readonly reads?: 'json' | 'picture' | 'file' | 'files' | 'pictures' | 'workflow' | 'graph' | 'loose';
  /** The handler may take hours to reply; until then the idle timeout does not apply. */
  readonly held?: true;
  /** Polled by machines, so logged at debug level. Errors other than 503, a probe's normal answer, are logged at info. */
  readonly polled?: true;
}

/** Routes by method and path. */
export type RouteTable<R = Omit<Route, 'method' | 'path'>> = Readonly<Record<`${Route['method']} /${string}`, R>>;

/** The routes of a table, with `prefix` before their paths and the fields of `more`. The first route that matches wins. */
export function routesOf<R extends object, M extends object>(table: RouteTable<R>, more: M, prefix = '') {
  return Object.entries<R>(table).map(([call, route]) => {
    const [method, path] = call.split(' ') as [Route['method'], string];
    return { ...route, ...more, method, path: prefix + path };
  });
}
