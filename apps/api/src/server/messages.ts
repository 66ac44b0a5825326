import type { Readable } from 'node:stream';
import type { ErrorCode, FleetError } from '@comfy-fleet/contracts';
import type { ByteRange } from '@comfy-fleet/frames';
import type { AssetFile } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { TObject } from 'typebox';
import type { Access, Caller } from './gate.js';

/** A request as handlers see it, free of Express. */
export interface ApiRequest {
  readonly method: string;
  /** Still percent-encoded, without the query. */
  readonly path: string;
  /** The `:names` of the route's path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /** Throws where nobody needs a key: see `visitor`. */
  readonly caller: Caller;
  /** The caller; undefined on public routes, with a signed URL, and without an optional key. */
  readonly visitor: Caller | undefined;
  /** The one range asked for of `size` bytes; undefined for the whole. */
  range(size: number): ByteRange | 'unsatisfiable' | undefined;
  /** An error with headers of its own, in the shape of the API that was asked; errors without any are thrown. */
  refuse(error: FleetError, headers: Readonly<Record<string, string>>): Reply;
  /** The parsed JSON, the text fields of a form, or the bytes of a `workflow`. Not validated. */
  readonly body: unknown;
  /** The body was a form: its numbers are text. */
  readonly isForm: boolean;
  /** The file of a form that reads one into memory. */
  readonly file: { readonly data: Buffer; readonly contentType: string } | undefined;
  /** The files that came, on routes that store them. */
  readonly files: readonly SentFile[];
  /** Of the body, without parameters, in lower case. */
  readonly contentType: string;
  /** Counts bytes in memory besides the body until the request is answered. Throws as an upload that is too much. */
  holds(bytes: number): void;
  /** Writes the request's id on each line. */
  readonly log: Logger;
  /** Aborts when the caller goes away or has the whole answer. */
  readonly signal: AbortSignal;
}

/** A file that came with a request, and is in the store of inputs. */
export interface SentFile {
  /** Of the form. */
  readonly field: string;
  readonly filename: string | undefined;
  readonly file: AssetFile;
}

/** What handlers answer. A body is sent as JSON unless it is a stream; a text is JSON already. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object | string | Readable;
  /** For the log. */
  readonly job?: string;
  /** The error that it answers, to be counted. */
  readonly refused?: ErrorCode;
}

export type Handler = (request: ApiRequest) => Promise<Reply> | Reply;

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** What the query may have; see `queried`. */
  readonly query?: TObject;
  readonly access: Access;
  /** The key may come as HTTP Basic too: as the password, or as the name with no password. */
  readonly basic?: true;
  readonly handler: Handler;
  /**
   * How the body is read before the handler is called; absent: not at all.
   * `json`: JSON. `exact`: JSON whose large whole numbers are bigints. `loose`: the same, whatever the content type says.
   * `picture`: JSON with a picture in base64, or a form with one. `pictures`: JSON with several, or a form of whose files
   * several may have one name. `files`: JSON, or a form with files. `file`: a file, as the body or in a form. `announced`:
   * a file in a form that may have its hash as `expected_hash`. `workflow`: the bytes of JSON or of a picture.
   */
  readonly reads?: 'json' | 'picture' | 'file' | 'announced' | 'files' | 'pictures' | 'workflow' | 'exact' | 'loose';
  /** The handler keeps pictures in memory that it makes for the answer, although its body brings none. */
  readonly converts?: true;
  /** It may take hours until the handler answers: until then the connection may be silent. */
  readonly held?: true;
  /** Polled by machines: logged at debug only, except errors other than 503, which is the answer of a probe. */
  readonly polled?: true;
}

/** Routes by their method and path. */
export type RouteTable<R = Omit<Route, 'method' | 'path'>> = Readonly<Record<`${Route['method']} /${string}`, R>>;

/** The routes of a table below a prefix, each with `more`. Express serves the first that matches. */
export function routesOf<R extends object, M extends object>(table: RouteTable<R>, more: M, prefix = '') {
  return Object.entries<R>(table).map(([call, route]) => {
    const [method, path] = call.split(' ') as [Route['method'], string];
    return { ...route, ...more, method, path: prefix + path };
  });
}
