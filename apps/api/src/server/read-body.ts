import type { Config } from '@comfy-fleet/config';
import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import express, { type Request, type RequestHandler, Router } from 'express';
import { MulterError } from 'multer';
import { escapePointer, fieldError } from './field-errors.js';
import {
  chunksFault,
  FILE_FIELD,
  type FormFiles,
  type FormLimits,
  fileReader,
  formReader,
  type Receive,
} from './form-readers.js';
import { parseJsonBody, STEP_BYTES } from './json-body.js';
import { failed, localsOf } from './locals.js';
import type { Route } from './messages.js';
import { createQuota } from './quota.js';
import type { Turns } from './turns.js';

type Http = Config['http'];
export type ReadLimits = Pick<Http, 'json' | 'maxJsonBytes' | 'minUploadBytesPerSecond'>;

export interface BodyLimits
  extends ReadLimits,
    FormLimits,
    Pick<Http, 'maxUploadingBytes' | 'maxUploadingBytesOfKey' | 'uploadingBytesReserved'> {
  /** Limit for a workflow sent as JSON. */
  readonly maxWorkflowBytes: number;
  /** Limit for a graph and the data stored with it. */
  readonly maxPromptBytes: number;
  /** Limit for each file. */
  readonly maxAssetBytes: number;
}

export interface BodyToRead {
  /** Accepted content types; undefined: any. */
  readonly types?: readonly string[] | undefined;
  readonly maxBytes: number;
  /** Whether it is parsed; otherwise `request.body` is a Buffer. */
  readonly isJson: boolean;
}

/** JSON is in memory as bytes and as text. */
const COPIES_OF_JSON = 2;
/** The speed of a body is measured over this time again and again, so that a fast start does not allow a long stall. */
const SPEED_MS = 10_000;
/** How far the arrival of a form may be ahead of the reading of its files. */
const READ_AHEAD_BYTES = 1024 * 1024;

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'multipart/form-data';

/** Creates the middleware that reads a route's body before its handler is called. */
export function createBodyReaders(
  limits: BodyLimits,
  receive: Receive,
  computing: Turns,
): (route: Pick<Route, 'reads'>) => RequestHandler[] {
  const { maxJsonBytes, maxImageBytes, maxAssetBytes, maxFormFiles: files } = limits;
  const { maxUploadingBytes: most, maxUploadingBytesOfKey: mostOfKey, uploadingBytesReserved: reservedForKey } = limits;
  const refusal = (isOfKey: boolean) => tooMuchAtOnce(isOfKey, mostOfKey);
  const memory = createQuota({ most, mostOfKey, reservedForKey, refusal });
  /** Reserves memory for the declared size of the body, up to `most`. What is stored is counted as it arrives. */
  const uploading =
    (most: number, copies = 1): RequestHandler =>
    (request, response, next) => {
      const locals = localsOf(response);
      const key = locals.caller?.limits === undefined ? undefined : locals.caller.id;
      locals.holds = memory(key, copies * Math.min(declaredBytes(request), most), locals.signal);
      next();
    };
  const json = (maxBytes: number, body: Partial<BodyToRead> = {}) => [
    uploading(maxBytes, COPIES_OF_JSON),
    ...bodyReader({ types: [JSON_TYPE], maxBytes, isJson: true, ...body }, limits, computing),
  ];
  const filesForm = (about: FormFiles) => [
    counting(maxJsonBytes + READ_AHEAD_BYTES),
    formReader(limits, receive, about),
  ];
  const storing = (most: number) => [arrival(most * maxAssetBytes + maxJsonBytes, limits), uploading(0)];
  // base64 encodes three bytes as four characters
  const withPicture = maxJsonBytes + Math.ceil((maxImageBytes * 4) / 3);
  const formBytes = maxJsonBytes + maxImageBytes + READ_AHEAD_BYTES;
  const pictureForm = [arrival(formBytes, limits), uploading(formBytes), counting(formBytes)];
  const readers: Readonly<Record<NonNullable<Route['reads']>, RequestHandler[]>> = {
    json: json(maxJsonBytes),
    picture: either(json(withPicture), [
      ...pictureForm,
      formReader(limits, receive, { only: 'image', inMemory: true }),
    ]),
    file: [...storing(1), fileReader(receive, Router().use(filesForm({ only: FILE_FIELD })))],
    files: either(json(maxJsonBytes), [...storing(files), ...filesForm({})]),
    pictures: [onlyTypes([FORM_TYPE]), ...storing(files), ...filesForm({ repeated: true })],
    workflow: json(Math.max(limits.maxWorkflowBytes, maxImageBytes), {
      types: [JSON_TYPE, 'image/png', 'image/webp'],
      isJson: false,
    }),
    graph: json(limits.maxWorkflowBytes),
    loose: json(limits.maxPromptBytes, { types: undefined }),
  };
  return ({ reads }) => (reads === undefined ? [] : readers[reads]);
}

/** Chooses the reader by content type: JSON or form. */
function either(json: RequestHandler[], form: RequestHandler[]): RequestHandler[] {
  const [ofJson, ofForm] = [Router().use(json), Router().use(form)];
  return [
    onlyTypes([JSON_TYPE, FORM_TYPE]),
    (request, response, next) => (request.is(FORM_TYPE) ? ofForm : ofJson)(request, response, next),
  ];
}

/** Reads a body into memory, parses it, and puts it into `request.body`. */
export function bodyReader(
  { types, maxBytes, isJson }: BodyToRead,
  limits: ReadLimits,
  computing: Turns,
  windowMs = SPEED_MS,
): RequestHandler[] {
  const parse: RequestHandler = async (request, response, next) => {
    const body: unknown = request.body;
    if (!Buffer.isBuffer(body)) return next();
    const { caller, signal, holds = () => {} } = localsOf(response);
    const inTurn = <T>(work: () => T) => computing(caller?.id ?? '', work, { signal });
    const options = { limits: limits.json, holds, ...(body.length > STEP_BYTES ? { inTurn } : {}) };
    if (isJson) {
      const value = body.length === 0 ? {} : await parseJsonBody(body, options);
      // Handlers list the fields of a body. Those of a text would be its characters.
      if (typeof value !== 'object') throw new FleetError('validation_failed', 'The body must be a JSON object.');
      request.body = value;
    }
    next();
  };
  return [
    ...(types === undefined ? [] : [onlyTypes(types)]),
    arrival(maxBytes, limits, windowMs),
    counting(Infinity),
    express.raw({ type: () => true, limit: maxBytes }),
    parse,
  ];
}

/** Refuses other content types. A request without a body passes, so that validation can name the missing fields. */
function onlyTypes(types: readonly string[]): RequestHandler {
  return (request, _response, next) => {
    const type = request.is([...types]);
    if (type || type === null || request.get('content-length') === '0') return next();
    const sent = request.get('content-type');
    const is = sent === undefined ? 'The body has no content type' : `The body is ${sent}`;
    throw new FleetError('unsupported_media_type', `${is}; send ${types.join(' or ')}.`);
  };
}

/**
 * Refuses a body that is compressed or declares too many bytes. Answers 408 to one that arrives too slowly, since it occupies
 * memory meanwhile.
 */
function arrival(
  maxBytes: number,
  { minUploadBytesPerSecond }: Pick<ReadLimits, 'minUploadBytesPerSecond'>,
  windowMs = SPEED_MS,
): RequestHandler {
  return (request, response, next) => {
    const encoding = request.get('content-encoding') ?? 'identity';
    if (encoding.toLowerCase() !== 'identity') {
      throw new FleetError('unsupported_media_type', 'The body is compressed; send it without Content-Encoding.');
    }
    const declared = declaredBytes(request);
    if (declared !== Infinity && declared > maxBytes) throw tooLarge(maxBytes);
    if (request.complete) return next();
    const { socket } = request;
    let before = socket.bytesRead;
    const check = () => {
      const sent = socket.bytesRead - before;
      before = socket.bytesRead;
      // While our reader is behind, the client cannot send.
      if (request.complete || request.readableLength >= request.readableHighWaterMark) return;
      if (sent >= (minUploadBytesPerSecond * windowMs) / 1000 || response.headersSent) return;
      const detail = `The body came at less than ${minUploadBytesPerSecond} bytes a second.`;
      void failed(new FleetError('body_too_slow', detail), request, response);
    };
    // After a stall of the event loop, what arrived meanwhile is read before the check.
    const checking = setInterval(() => setImmediate(check), windowMs);
    const stop = () => clearInterval(checking);
    request.once('end', stop);
    response.once('close', stop);
    next();
  };
}

/**
 * Counts the bytes that arrive. The body's reader has to start right after this, since it makes the stream flow. Refuses more
 * than `most` bytes, not counting the files of a form, and too many small chunks, since each chunk has a fixed cost.
 */
function counting(most: number): RequestHandler {
  return (request, response, next) => {
    const locals = localsOf(response);
    let chunks = 0;
    let bytes = 0;
    const count = ({ length }: Buffer) => {
      chunks += 1;
      bytes += length;
      const isTooLarge = bytes - (locals.fileBytes ?? 0) > most;
      const fault = isTooLarge ? tooLarge(most) : chunksFault(chunks, bytes);
      if (fault === undefined) return;
      request.off('data', count);
      void failed(fault, request, response);
    };
    request.on('data', count);
    next();
  };
}

/** The size of the body by its headers; Infinity if they do not declare it. */
function declaredBytes({ headers }: Pick<Request, 'headers'>): number {
  const length = headers['content-length'];
  if (length === undefined) return headers['transfer-encoding'] === undefined ? 0 : Infinity;
  return Number(length);
}

const RETRY_AFTER_SECONDS = 2;

function tooMuchAtOnce(isOfKey: boolean, mostOfKey: number): FleetError {
  const detail = isOfKey
    ? `This API key may send or have converted ${mostOfKey} bytes at a time. Try again when some requests are answered.`
    : 'Too much is being sent or converted at the moment. Try again in a moment.';
  const code = isOfKey ? 'rate_limited' : 'overloaded';
  return new FleetError(code, detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}

function tooLarge(maxBytes: number): FleetError {
  return new FleetError('body_too_large', `The body is larger than the ${maxBytes} bytes that this address accepts.`);
}

/** Translates errors of body-parser (README, "Errors"), multer (lib/multer-error.js) and busboy. Returns others unchanged. */
export function readingError(error: unknown): unknown {
  if (error instanceof FleetError || !(error instanceof Error)) return error;
  const fault = (code: ErrorCode, detail: string) => new FleetError(code, detail, { cause: error });
  const { type, status, message, limit = 0 } = error as Error & { type?: string; status?: number; limit?: number };
  if (type === 'entity.too.large') return tooLarge(limit);
  if (error instanceof MulterError) {
    const { field = '', code }: { field?: string | undefined; code: string } = error; // its types lack LIMIT_FIELD_NESTING
    if (code === 'LIMIT_FIELD_NESTING')
      return fieldError(
        'validation_failed',
        `/${escapePointer(field)}`,
        'has brackets in its name; send nested values as JSON',
      );
    if (code.startsWith('LIMIT_'))
      return fault('body_too_large', `The form is larger than this address accepts: ${message}.`);
  }
  // busboy's plain errors have no type and no status.
  const isOfForm =
    error instanceof MulterError ||
    /^(Unexpected end of form|Malformed |Multipart: |Unsupported content type)/.test(message);
  if (isOfForm) return fault('malformed_request', `The form cannot be read: ${message}.`);
  return status === 400 ? fault('malformed_request', 'The request cannot be read.') : error;
}
