import type { ErrorCode } from '@comfy-fleet/contracts';
import type { TagObject } from 'openapi3-ts/oas31';
import type { Static, TObject, TSchema } from 'typebox';
import type { ApiRequest, Reply, Route } from '../server/messages.js';
import { createQueryReader } from '../server/validator.js';
import type { HeaderUse, RequestHeader } from './headers.js';

/** A route of our own API, with all that the OpenAPI document says of it. */
export interface ApiRoute extends Route {
  /** The name of the method in generated clients. */
  readonly id: string;
  readonly tag: TagObject;
  /** A few words, without a full stop. */
  readonly summary: string;
  /** Markdown. */
  readonly description?: string;
  readonly query?: TObject;
  readonly headers?: readonly RequestHeader[];
  readonly body?: BodyDoc | FileBodyDoc;
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  /** Besides those that follow from its access, path and body: see `codesOf`. */
  readonly errors?: readonly ErrorCode[];
}

/** The body is a file of any type, or a form with it. */
export interface FileBodyDoc {
  readonly fileForm: TObject;
}

export interface BodyDoc {
  readonly json: TObject;
  /** The same as a form; absent: JSON only. */
  readonly form?: TObject;
  /** The same as a file, by its content types. */
  readonly files?: readonly string[];
  /** By name; each is valid JSON for it. */
  readonly examples: Readonly<Record<string, object>>;
}

export interface AnswerDoc {
  readonly description: string;
  readonly json?: TSchema;
  /** Content types of bodies that are not JSON. */
  readonly bytes?: readonly string[];
  /** For text/event-stream: the data of each event, by the event's name. */
  readonly events?: Readonly<Record<string, TSchema>>;
  readonly headers?: HeaderUse;
}

/** Routes by their method and path, in the order of the document. */
export type Routes = Readonly<Record<`${Route['method']} /${string}`, KeyedRoute>>;
type KeyedRoute = Omit<ApiRoute, 'method' | 'path' | 'tag'>;

/** Routes that the document shows together. */
export function tagged(tag: TagObject, routes: Routes): ApiRoute[] {
  return Object.entries(routes).map(([call, route]) => {
    const [method, path] = call.split(' ') as [Route['method'], string];
    return { ...route, method, path, tag };
  });
}

/** A route whose handler gets the query as its schema has it. A query that does not fit is refused with every fault. */
export function withQuery<Q extends TObject>(
  route: Omit<KeyedRoute, 'query' | 'handler'> & {
    readonly query: Q;
    readonly handler: (request: ApiRequest, query: Static<Q>) => Promise<Reply> | Reply;
  },
): KeyedRoute {
  const read = createQueryReader(route.query);
  return { ...route, handler: (request) => route.handler(request, read(request.query)) };
}

/** The answers of a route that serves files, whole or in part. */
export function contentAnswers(description: string, bytes: readonly string[], more: HeaderUse): ApiRoute['answers'] {
  const headers: HeaderUse = { ETag: 'always', 'Cache-Control': 'always', 'Accept-Ranges': 'always', ...more };
  const sized: HeaderUse = { ...headers, 'Content-Length': 'always' };
  return {
    200: { description, bytes, headers: sized },
    206: { description: 'The requested bytes.', bytes, headers: { ...sized, 'Content-Range': 'always' } },
    304: { description: 'The caller has it already.', headers },
  };
}
