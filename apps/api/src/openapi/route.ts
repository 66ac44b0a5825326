import type { ErrorCode } from '@comfy-fleet/contracts';
import type { TagObject } from 'openapi3-ts/oas31';
import type { TObject, TSchema } from 'typebox';
import { type Route, type RouteTable, routesOf } from '../server/messages.js';
import { queried } from '../server/validator.js';
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

type TableRoute = Omit<ApiRoute, 'method' | 'path' | 'tag'>;
/** In the order of the document. */
export type Routes = RouteTable<TableRoute>;

/** Routes that the document shows together. */
export function tagged(tag: TagObject, routes: Routes): ApiRoute[] {
  return routesOf(routes, { tag });
}

/** A route whose handler gets the query as its schema has it. */
export function withQuery<Q extends TObject>({
  query,
  handler,
  ...route
}: Omit<TableRoute, 'query' | 'handler'> & {
  readonly query: Q;
  readonly handler: Parameters<typeof queried<Q>>[1];
}): TableRoute {
  return { ...route, ...queried(query, handler) };
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
