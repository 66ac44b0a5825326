import type { ErrorCode } from '@comfy-fleet/contracts';
import type { TagObject } from 'openapi3-ts/oas31';
import type { TObject, TSchema } from 'typebox';
import { type Route, type RouteTable, routesOf } from '../server/messages.js';
import { queried } from '../server/validator.js';
import type { RequestHeader, ResponseHeader } from './headers.js';

/** A route of our own API, with its part of the OpenAPI document. */
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
  /** In addition to the errors that follow from its access, path, query and body: see `codesOf`. */
  readonly errors?: readonly ErrorCode[];
}

/** The body is a file of any type, or a form that contains one. */
export interface FileBodyDoc {
  readonly fileForm: TObject;
}

export interface BodyDoc {
  readonly json: TObject;
  /** The body as a form; absent if the route accepts JSON only. */
  readonly form?: TObject;
  /** Content types of files that the route accepts instead. */
  readonly files?: readonly string[];
  /** Examples of the JSON body, by name. */
  readonly examples: Readonly<Record<string, object>>;
}

export interface AnswerDoc {
  readonly description: string;
  readonly json?: TSchema;
  /** Content types of bodies that are not JSON. */
  readonly bytes?: readonly string[];
  /** For text/event-stream: the data of each event, by the event's name. */
  readonly events?: Readonly<Record<string, TSchema>>;
  readonly headers?: readonly ResponseHeader[];
}

type TableRoute = Omit<ApiRoute, 'method' | 'path' | 'tag'>;
/** Routes in the order of the document. */
export type Routes = RouteTable<TableRoute>;

/** Gives routes one tag, so that the document shows them together. */
export function tagged(tag: TagObject, routes: Routes): ApiRoute[] {
  return routesOf(routes, { tag });
}

/** A route whose handler receives the query validated and converted by its schema. */
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
export function contentAnswers(
  description: string,
  bytes: readonly string[],
  more: readonly ResponseHeader[] = [],
): ApiRoute['answers'] {
  const headers = ['ETag', ...more] as const;
  return {
    200: { description, bytes, headers },
    206: { description: 'The requested bytes.', bytes, headers: [...headers, 'Content-Range'] },
    304: { description: 'The caller already has the current content.', headers },
  };
}
