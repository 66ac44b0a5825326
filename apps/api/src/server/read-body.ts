import type { Config } from '@comfy-fleet/config';
import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import express, { type Request, type RequestHandler, Router } from 'express';
import { MulterError } from 'multer';
import { escapePointer } from './field-errors.js';
import {
  FILE_FIELD,
  type FormFiles,
  type FormLimits,
  fileReader,
  filesFormReader,
  pictureFormReader,
  type Receive,
} from './form-readers.js';
import { parseJsonBody, STEP_BYTES } from './json-body.js';
import { failed, localsOf } from './locals.js';
import type { Route } from './messages.js';
import type { Turns } from './turns.js';
import { createUploadBudget } from './upload-budget.js';

type Http = Config['http'];
export type ReadLimits = Pick<Http, 'json' | 'maxJsonBytes' | 'maxUnpackRatio' | 'minUploadBytesPerSecond'>;

export interface BodyLimits extends ReadLimits, FormLimits, Pick<Http, 'maxUploadingBytes' | 'maxUploadingBytesOfKey'> {
  /** Of a workflow that comes as JSON. */
  readonly maxWorkflowBytes: number;
  /** Of a graph with what is kept beside it. */
  readonly maxPromptBytes: number;
  /** Of each file. */
  readonly maxAssetBytes: number;
}

export interface BodyToRead {
  /** Content types that are read; undefined: any. */
  readonly types?: readonly string[] | undefined;
  /** Decompressed. */
  readonly maxBytes: number;
  /** How JSON is parsed; `no`: `request.body` stays the bytes. */
  readonly json: 'exact' | 'rounded' | 'no';
}

/** The parts of an upload to a bucket, which are in memory while a file is stored; see packages/frames. */
const STREAM_BYTES = 16 * 1024 * 1024;
/** Of JSON with several pictures. */
const PICTURES_JSON_BYTES = 8 * 1024 * 1024;
/** JSON is in memory as bytes and as text. */
const COPIES_OF_JSON = 2;
/** Node fires a longer timer at once. */
const MOST_TIMER_MS = 2 ** 31 - 1;
/** Every body gets this long to arrive, in addition to the time that its bytes may take. */
const GRACE_MS = 10_000;
/** A chunked body may have this many chunks of any size; all of them together must average MIN_CHUNK_BYTES. */
const SMALL_CHUNKS = 1000;
const MIN_CHUNK_BYTES = 64;
/** Bytes of a form that have arrived before they are read as parts of a file. */
const READ_AHEAD_BYTES = 1024 * 1024;

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'multipart/form-data';

/** What reads the body of a route before its handler is called. */
export function createBodyReaders(
  limits: BodyLimits,
  receive: Receive,
  computing: Turns,
): (route: Pick<Route, 'reads' | 'converts'>) => RequestHandler[] {
  const { maxJsonBytes, maxImageBytes, maxAssetBytes, maxFormFiles: files } = limits;
  const budget = createUploadBudget({
    mostBytes: limits.maxUploadingBytes,
    mostBytesOfKey: limits.maxUploadingBytesOfKey,
  });
  /** Sets memory aside for what the body declares, at most for `most`. */
  const uploading =
    (most: number, copies = 1): RequestHandler =>
    (request, response, next) => {
      const locals = localsOf(response);
      const key = locals.caller?.limits === undefined ? undefined : locals.caller.id;
      const upload = budget.begin(key, copies * Math.min(declaredBytes(request), most));
      locals.upload = upload;
      response.once('close', () => upload.end());
      next();
    };
  const json = (body: Partial<BodyToRead> = {}) =>
    bodyReader({ types: [JSON_TYPE], maxBytes: maxJsonBytes, json: 'rounded', ...body }, limits, computing);
  const uploadedJson = (maxBytes: number, body: Partial<BodyToRead> = {}) => [
    uploading(maxBytes, COPIES_OF_JSON),
    ...json({ maxBytes, ...body }),
  ];
  const filesForm = (about: FormFiles) => [
    counting(maxJsonBytes + READ_AHEAD_BYTES),
    filesFormReader(limits, receive, about),
  ];
  const storing = (most: number) => [arrival(most * maxAssetBytes + maxJsonBytes, limits), uploading(STREAM_BYTES)];
  // base64 makes four characters out of three bytes
  const withPicture = maxJsonBytes + Math.ceil((maxImageBytes * 4) / 3);
  const formBytes = maxJsonBytes + maxImageBytes + READ_AHEAD_BYTES;
  const pictureForm = [arrival(formBytes, limits), uploading(formBytes), counting(formBytes)];
  const readers: Readonly<Record<NonNullable<Route['reads']>, RequestHandler[]>> = {
    json: json(),
    picture: either(uploadedJson(withPicture), [...pictureForm, pictureFormReader(limits)]),
    file: [...storing(1), fileReader(receive, Router().use(filesForm({ only: FILE_FIELD })))],
    announced: [onlyTypes([FORM_TYPE]), ...storing(1), ...filesForm({ only: FILE_FIELD, announced: 'expected_hash' })],
    files: either(json(), [...storing(files), ...filesForm({})]),
    pictures: either(uploadedJson(PICTURES_JSON_BYTES), [...storing(files), ...filesForm({ repeated: true })]),
    workflow: uploadedJson(Math.max(limits.maxWorkflowBytes, maxImageBytes), {
      types: [JSON_TYPE, 'image/png', 'image/webp'],
      json: 'no',
    }),
    exact: uploadedJson(limits.maxWorkflowBytes, { json: 'exact' }),
    loose: uploadedJson(limits.maxPromptBytes, { types: undefined, json: 'exact' }),
  };
  return ({ reads, converts }) => [...(converts ? [uploading(0)] : []), ...(reads === undefined ? [] : readers[reads])];
}

/** Reads JSON, or a form. */
function either(json: RequestHandler[], form: RequestHandler[]): RequestHandler[] {
  const [ofJson, ofForm] = [Router().use(json), Router().use(form)];
  return [
    onlyTypes([JSON_TYPE, FORM_TYPE]),
    (request, response, next) => (request.is(FORM_TYPE) ? ofForm : ofJson)(request, response, next),
  ];
}

/** Reads a body into memory, decompressed and parsed, as `request.body`. */
export function bodyReader(
  { types, maxBytes, json }: BodyToRead,
  limits: ReadLimits,
  computing: Turns,
  graceMs = GRACE_MS,
): RequestHandler[] {
  const parse: RequestHandler = async (request, response, next) => {
    const body: unknown = request.body;
    if (!Buffer.isBuffer(body)) return next();
    const { arrivedBytes = body.length, caller } = localsOf(response);
    if (body.length > limits.maxJsonBytes && body.length > arrivedBytes * limits.maxUnpackRatio) {
      throw new FleetError('body_too_large', `The body unpacks to more than ${limits.maxUnpackRatio} times its size.`);
    }
    const isExact = json === 'exact';
    if (json !== 'no' && body.length > 0) {
      const inTurn = <T>(work: () => T) => computing(caller?.id ?? '', work);
      const options = { limits: limits.json, isExact, ...(body.length > STEP_BYTES ? { inTurn } : {}) };
      request.body = await parseJsonBody(body, options);
    } else if (json !== 'no') request.body = isExact ? undefined : {};
    next();
  };
  return [
    ...(types === undefined ? [] : [onlyTypes(types)]),
    ...(json === 'no' ? [] : [requireUtf8]),
    arrival(maxBytes, limits, graceMs),
    counting(Infinity),
    express.raw({ type: () => true, limit: maxBytes }),
    parse,
  ];
}

/** Refuses other content types. A request without a body passes: the error names its missing fields. */
function onlyTypes(types: readonly string[]): RequestHandler {
  return (request, _response, next) => {
    const type = request.is([...types]);
    if (type || type === null || request.get('content-length') === '0') return next();
    const sent = request.get('content-type');
    const is = sent === undefined ? 'The body has no content type' : `The body is ${sent}`;
    throw new FleetError('unsupported_media_type', `${is}; send ${types.join(' or ')}.`);
  };
}

/** RFC 8259, 8.1. */
const requireUtf8: RequestHandler = ({ headers }, _response, next) => {
  for (const [, charset = ''] of (headers['content-type'] ?? '').matchAll(/;\s*charset\s*=\s*"?([^\s";,]*)/gi)) {
    if (/^utf-?8$/i.test(charset)) continue;
    throw new FleetError('unsupported_media_type', `The body is written in ${charset}; send JSON in UTF-8.`);
  }
  next();
};

/** Refuses a body that declares too many bytes, and with 408 one that arrives so slowly that it keeps memory from others. */
function arrival(
  maxBytes: number,
  { minUploadBytesPerSecond }: Pick<ReadLimits, 'minUploadBytesPerSecond'>,
  graceMs = GRACE_MS,
): RequestHandler {
  return (request, response, next) => {
    const declared = declaredBytes(request);
    if (declared !== Infinity && declared > maxBytes) throw tooLarge(maxBytes);
    const refuse = () => {
      const detail = `The body came at less than ${minUploadBytesPerSecond} bytes a second.`;
      if (!response.headersSent) void failed(new FleetError('body_too_slow', detail), request, response);
    };
    const arrivalMs = (Math.min(declared, maxBytes) / minUploadBytesPerSecond) * 1000;
    const late = setTimeout(refuse, Math.min(graceMs + arrivalMs, MOST_TIMER_MS));
    const stop = () => clearTimeout(late);
    request.once('end', stop);
    response.once('close', stop);
    next();
  };
}

/**
 * Counts what arrives; whatever reads the body must begin right after it. Refuses more than `most` bytes besides the files of a
 * form, and too many small chunks, each of which costs far more than its bytes.
 */
function counting(most: number): RequestHandler {
  return (request, response, next) => {
    const locals = localsOf(response);
    let chunks = 0;
    let bytes = 0;
    const count = ({ length }: Buffer) => {
      chunks += 1;
      bytes += length;
      locals.arrivedBytes = bytes;
      const isTooLarge = bytes - (locals.fileBytes ?? 0) > most;
      if (!isTooLarge && (chunks <= SMALL_CHUNKS || bytes >= chunks * MIN_CHUNK_BYTES)) return;
      request.off('data', count);
      const tooSmall = new FleetError('malformed_request', 'The body comes in very small chunks; send larger ones.');
      void failed(isTooLarge ? tooLarge(most) : tooSmall, request, response);
    };
    request.on('data', count);
    next();
  };
}

/** Infinity where the size is not known before the body has arrived. */
function declaredBytes({ headers }: Pick<Request, 'headers'>): number {
  const length = headers['content-length'];
  if (length === undefined) return headers['transfer-encoding'] === undefined ? 0 : Infinity;
  return headers['content-encoding'] === undefined ? Number(length) : Infinity;
}

function tooLarge(maxBytes: number): FleetError {
  return new FleetError('body_too_large', `The body is larger than the ${maxBytes} bytes that this address takes.`);
}

/** Translates the errors of body-parser (README, "Errors"), multer (lib/multer-error.js) and busboy; returns others as they are. */
export function readingError(error: unknown): unknown {
  if (error instanceof FleetError || !(error instanceof Error)) return error;
  const fault = (code: ErrorCode, detail: string) => new FleetError(code, detail, { cause: error });
  const { type, status, message, limit = 0 } = error as Error & { type?: string; status?: number; limit?: number };
  if (error instanceof MulterError) return formError(error);
  if (type === 'entity.too.large') return tooLarge(limit);
  if (type === 'encoding.unsupported')
    return fault('unsupported_media_type', `The body cannot be decoded: ${message}.`);
  // busboy's plain errors have no type and no status.
  if (/^(Unexpected end of form|Malformed |Multipart: |Unsupported content type)/.test(message))
    return fault('malformed_request', `The form cannot be read: ${message}.`);
  return status === 400 ? fault('malformed_request', 'The request cannot be read.') : error;
}

function formError(error: MulterError): FleetError {
  const { message, field = '' } = error;
  const code: string = error.code; // its types lack LIMIT_FIELD_NESTING
  switch (code) {
    case 'LIMIT_FILE_SIZE':
      return new FleetError('body_too_large', 'The picture is larger than this address takes.', { cause: error });
    case 'LIMIT_UNEXPECTED_FILE': {
      const detail = field === 'image' ? 'send one picture only' : 'unknown file; send the picture as the file "image"';
      const errors = [{ pointer: `/${escapePointer(field)}`, detail }];
      return new FleetError('validation_failed', 'The form has a file that is not expected.', { errors, cause: error });
    }
    case 'LIMIT_FIELD_NESTING': {
      const errors = [{ pointer: `/${escapePointer(field)}`, detail: 'the name of a form field takes no brackets' }];
      const detail = 'A field of the form has brackets in its name; send nested values as JSON.';
      return new FleetError('validation_failed', detail, { errors, cause: error });
    }
    case 'LIMIT_FIELD_VALUE':
    case 'LIMIT_FIELD_COUNT':
    case 'LIMIT_PART_COUNT': {
      const detail = `The form is larger than this address takes: ${message}.`;
      return new FleetError('body_too_large', detail, { cause: error });
    }
    default:
      return new FleetError('malformed_request', `The form cannot be read: ${message}.`, { cause: error });
  }
}
