import type { ErrorCode, RequestLimits } from '@comfy-fleet/contracts';
import type { TagObject } from 'openapi3-ts/oas31';
import type { TObject, TSchema } from 'typebox';
import type { Route } from '../server/messages.js';
import type { RequestHeader } from './request-headers.js';
import type { HeaderUse } from './response-headers.js';

/** What the document says depends on these settings, as what the validators take does. */
export interface DocumentSettings {
  readonly limits: RequestLimits;
  readonly maxBatchJobs: number;
  readonly maxWaitSeconds: number;
  readonly maxImageBytes: number;
  readonly maxAssetBytes: number;
  /** Widths in which pictures can be had. */
  readonly widths: readonly number[];
}

/** What people and generators should know of a route. */
export interface OperationDoc {
  /** Name of the method in generated clients. */
  readonly id: string;
  /** Where it stands among the operations. */
  readonly tag: TagObject;
  /** A few words, without a full stop. */
  readonly summary: string;
  /** Markdown. */
  readonly description?: string;
  /** Of the path, by name. */
  readonly params?: Readonly<Record<string, TSchema>>;
  readonly query?: TObject;
  readonly headers?: readonly RequestHeader[];
  readonly body?: BodyDoc | FileBodyDoc;
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  /** Besides those of every route with its access, its path and its body. */
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
  /** By content type: a schema, or `bytes`. */
  readonly content?: Readonly<Record<string, TSchema | 'bytes'>>;
  /** For text/event-stream: the data of each event, by the event's name. */
  readonly events?: Readonly<Record<string, TSchema>>;
  readonly headers?: HeaderUse;
}

/** A route with all that the document says of it. */
export interface ApiRoute extends Route, OperationDoc {}
