import { FleetError } from '@comfy-fleet/contracts';
import express, { type Request, type RequestHandler, Router } from 'express';
import { announcedFileReader, fileReader, filesFormReader, pictureFormReader, type Receive } from './form-readers.js';
import { type JsonLimits, parseJsonBody } from './json-body.js';
import { failed, localsOf } from './locals.js';
import type { Route } from './messages.js';
import { createUploadBudget } from './upload-budget.js';

export interface BodyLimits extends ReadLimits {
  readonly maxFormFields: number;
  readonly maxFormFiles: number;
  readonly maxImageBytes: number;
  /** Of a workflow that comes as JSON. */
  readonly maxWorkflowBytes: number;
  /** Of a graph with what is kept beside it. */
  readonly maxPromptBytes: number;
  /** Of a body that is a file, and of each file of a form. */
  readonly maxAssetBytes: number;
  /** Of bodies with pictures and files, as they are in memory, all together, and of one key. */
  readonly maxUploadingBytes: number;
  readonly maxUploadingBytesOfKey: number;
}

/** Most memory that a file takes while it is stored: the parts of an upload to a bucket, see packages/frames. */
const STREAM_BYTES = 16 * 1024 * 1024;
/** Of JSON with several pictures in it. */
const PICTURES_JSON_BYTES = 8 * 1024 * 1024;
/** A body of JSON is in memory as bytes and as text. */
const COPIES_OF_JSON = 2;

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'multipart/form-data';

/** What runs before a handler to read the body that its route takes. */
export function createBodyReaders(
  limits: BodyLimits,
  receive: Receive,
): (route: Pick<Route, 'reads' | 'converts'>) => RequestHandler[] {
  const { maxJsonBytes, maxImageBytes, maxAssetBytes } = limits;
  // base64 makes four characters out of three bytes
  const withPicture = maxJsonBytes + Math.ceil((maxImageBytes * 4) / 3);
  const budget = createUploadBudget({
    mostBytes: limits.maxUploadingBytes,
    mostBytesOfKey: limits.maxUploadingBytesOfKey,
  });
  const formLimits = {
    textBytes: maxJsonBytes,
    nameBytes: limits.json.nameBytes,
    fields: limits.maxFormFields,
    files: limits.maxFormFiles,
    pictureBytes: maxImageBytes,
  };

  /** Sets memory aside. `most`: of such a body. */
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
  const reading = (body: BodyToRead) => bodyReader(body, limits);
  const uploadedJson = (body: BodyToRead) => [uploading(body.maxBytes, COPIES_OF_JSON), ...reading(body)];
  /** JSON, or a form. */
  const either = (json: RequestHandler[], form: RequestHandler[]): RequestHandler[] => {
    const [ofJson, ofForm] = [Router().use(json), Router().use(form)];
    const read: RequestHandler = (request, response, next) =>
      (request.is(FORM_TYPE) ? ofForm : ofJson)(request, response, next);
    return [onlyTypes([JSON_TYPE, FORM_TYPE]), read];
  };
  const form = (most: number, memory: number, read: RequestHandler) => [arrival(most, limits), uploading(memory), read];
  const filesOf = limits.maxFormFiles * maxAssetBytes;

  const json: BodyToRead = { types: [JSON_TYPE], maxBytes: maxJsonBytes, json: 'rounded' };
  const readers: Readonly<Record<NonNullable<Route['reads']>, RequestHandler[]>> = {
    json: reading(json),
    picture: either(
      uploadedJson({ ...json, maxBytes: withPicture }),
      form(withPicture, withPicture, pictureFormReader(formLimits)),
    ),
    file: form(maxAssetBytes + maxJsonBytes, STREAM_BYTES, fileReader(formLimits, receive)),
    announced: [
      onlyTypes([FORM_TYPE]),
      ...form(maxAssetBytes + maxJsonBytes, STREAM_BYTES, announcedFileReader(formLimits, receive)),
    ],
    files: either(reading(json), form(filesOf, STREAM_BYTES, filesFormReader(formLimits, receive, {}))),
    pictures: either(
      uploadedJson({ ...json, maxBytes: PICTURES_JSON_BYTES }),
      form(filesOf, STREAM_BYTES, filesFormReader(formLimits, receive, { repeated: true })),
    ),
    workflow: uploadedJson({
      types: [JSON_TYPE, 'image/png', 'image/webp'],
      maxBytes: Math.max(limits.maxWorkflowBytes, maxImageBytes),
      json: 'no',
    }),
    exact: uploadedJson({ types: [JSON_TYPE], maxBytes: limits.maxWorkflowBytes, json: 'exact' }),
    loose: uploadedJson({ maxBytes: limits.maxPromptBytes, json: 'exact' }),
  };
  return ({ reads, converts }) => [...(converts ? [uploading(0)] : []), ...(reads === undefined ? [] : readers[reads])];
}

export interface ReadLimits {
  readonly json: JsonLimits;
  /** Bytes of a compressed body that are decompressed whatever their ratio is. */
  readonly maxJsonBytes: number;
  /** Beyond that a body may decompress to at most so many times its size. */
  readonly maxUnpackRatio: number;
  readonly minUploadBytesPerSecond: number;
}

export interface BodyToRead {
  /** Content types that are read; undefined: any. */
  readonly types?: readonly string[];
  /** Decompressed. */
  readonly maxBytes: number;
  /** How a body of JSON is parsed; `no`: `request.body` stays the bytes. */
  readonly json: 'exact' | 'rounded' | 'no';
}

/** Node fires a longer timer at once. */
const MOST_TIMER_MS = 2 ** 31 - 1;
/** Every body gets this long to arrive, in addition to the time that its bytes may take. */
const GRACE_MS = 10_000;
/** A chunked body may have this many chunks of any size; all of them together must average MIN_CHUNK_BYTES. */
const SMALL_CHUNKS = 1000;
const MIN_CHUNK_BYTES = 64;

/** Reads a body into memory, decompressed and parsed, as `request.body`. */
export function bodyReader(
  { types, maxBytes, json }: BodyToRead,
  limits: ReadLimits,
  graceMs = GRACE_MS,
): RequestHandler[] {
  const raw = express.raw({ type: () => true, limit: maxBytes });
  const read: RequestHandler = (request, response, next) => {
    const locals = localsOf(response);
    const countChunk = chunkCounter();
    locals.arrivedBytes = 0;
    const count = (chunk: Buffer) => {
      locals.arrivedBytes = (locals.arrivedBytes ?? 0) + chunk.length;
      try {
        countChunk(chunk);
      } catch (error) {
        request.off('data', count);
        void failed(error, request, response);
      }
    };
    request.on('data', count);
    raw(request, response, next);
  };
  const isExact = json === 'exact';
  const parse: RequestHandler = async (request, response, next) => {
    const body: unknown = request.body;
    if (!Buffer.isBuffer(body)) return next();
    const { arrivedBytes = body.length } = localsOf(response);
    if (body.length > limits.maxJsonBytes && body.length > arrivedBytes * limits.maxUnpackRatio) {
      throw new FleetError('body_too_large', `The body unpacks to more than ${limits.maxUnpackRatio} times its size.`);
    }
    if (json !== 'no') {
      request.body =
        body.length === 0 ? (isExact ? undefined : {}) : await parseJsonBody(body, { limits: limits.json, isExact });
    }
    next();
  };
  const requireType: RequestHandler = (request, _response, next) => {
    if (json !== 'no') requireUtf8(request.headers['content-type']);
    next();
  };
  const checks = types === undefined ? [requireType] : [onlyTypes(types), requireType];
  return [...checks, arrival(maxBytes, limits, graceMs), read, parse];
}

/** Refuses other content types. A request without a body passes: its missing fields are the fault to report. */
export function onlyTypes(types: readonly string[]): RequestHandler {
  return (request, _response, next) => {
    const type = request.is([...types]);
    if (type || type === null || request.get('content-length') === '0') return next();
    const sent = request.get('content-type');
    const is = sent === undefined ? 'The body has no content type' : `The body is ${sent}`;
    throw new FleetError('unsupported_media_type', `${is}; send ${types.join(' or ')}.`);
  };
}

/**
 * Refuses a body that declares too many bytes before any is read, and one that arrives too slowly with 408, since it would
 * keep memory that others need.
 */
export function arrival(
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

/** Counts a chunk. Throws malformed_request for too many small ones, each of which costs far more than its bytes. */
export function chunkCounter(): (chunk: Buffer) => void {
  let chunks = 0;
  let bytes = 0;
  return ({ length }) => {
    chunks += 1;
    bytes += length;
    if (chunks <= SMALL_CHUNKS || bytes >= chunks * MIN_CHUNK_BYTES) return;
    throw new FleetError('malformed_request', 'The body comes in very small chunks; send larger ones.');
  };
}

/** What a body says it has; Infinity where that is not known before it came. */
export function declaredBytes({ headers }: Pick<Request, 'headers'>): number {
  const length = headers['content-length'];
  if (length === undefined) return headers['transfer-encoding'] === undefined ? 0 : Infinity;
  return headers['content-encoding'] === undefined ? Number(length) : Infinity;
}

function tooLarge(maxBytes: number): FleetError {
  return new FleetError('body_too_large', `The body is larger than the ${maxBytes} bytes that this address takes.`);
}

/** RFC 8259, 8.1. */
function requireUtf8(contentType = ''): void {
  for (const [, charset = ''] of contentType.matchAll(/;\s*charset\s*=\s*"?([^\s";,]*)/gi)) {
    if (/^utf-?8$/i.test(charset)) continue;
    throw new FleetError('unsupported_media_type', `The body is written in ${charset}; send JSON in UTF-8.`);
  }
}
