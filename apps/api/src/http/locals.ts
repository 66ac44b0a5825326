import type { Logger } from '@comfy-fleet/telemetry';
import type { Response } from 'express';
import type { Caller } from '../access/caller.js';
import type { Reading, Tally } from '../access/meter.js';
import type { Answered, ApiInstruments } from '../metrics.js';
import type { PictureText } from '../pictures/picture-text.js';
import type { Dialect } from './dialect.js';
import type { Leaving } from './leaving.js';
import type { ApiRequest, RawBody, SentFile } from './messages.js';
import type { Upload } from './upload-budget.js';

/** The headers of one answer, names and values by turns: what `writeHead` is quickest with. */
export type HeaderList = (...headers: readonly (Readonly<Record<string, string>> | undefined)[]) => string[];

/** What is known of a request before it is answered. */
export interface Locals {
  readonly headerList: HeaderList;
  readonly requestId: string;
  /** Without the query, still percent-encoded. */
  readonly path: string;
  /** Of the path; undefined: ours. */
  readonly dialect: Dialect | undefined;
  /** Writes the request's id on each line. */
  readonly log: () => Logger;
  readonly instruments: ApiInstruments;
  /** Of the route that serves it. */
  answered?: Answered;
  readonly gone: Leaving;
  /** How the caller is asked for a key, where it is not by the header that programs send. */
  challenge?: string;
  /** The headers that say how much the caller may ask yet. */
  limits?: Reading['headers'];
  caller?: Caller | undefined;
  /** Lets the caller in, or throws, as the keys are now. */
  admit?: () => Promise<Caller | undefined>;
  tally?: Tally;
  counting?: ApiRequest['counting'];
  /** The picture that came in JSON. */
  picture?: PictureText | undefined;
  files?: readonly SentFile[];
  /** The body of a route that takes it as it comes. */
  raw?: RawBody | undefined;
  /** Of a request that may bring a picture, or files. */
  upload?: Upload;
  job?: string | undefined;
  polled?: true | undefined;
}

export function localsOf(response: Response): Locals {
  return response.locals as Locals;
}
