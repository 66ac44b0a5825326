import type { Readable } from 'node:stream';
import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import { plainName } from '@comfy-fleet/frames';
import type { AssetFile } from '@comfy-fleet/jobs';
import { inThisTrace } from '@comfy-fleet/telemetry';
import { parse } from 'content-disposition';
import type { Request, RequestHandler } from 'express';
import multer, { MulterError, type Options, type StorageEngine } from 'multer';
import type { Caller } from './caller.js';
import { type Locals, localsOf } from './locals.js';
import type { SentFile } from './messages.js';
import { chunkCounter } from './read-body.js';

/** Whose file it is, what is said of it, and where it stands in the request, for errors. */
export interface Arrival {
  readonly caller: Caller | undefined;
  readonly pointer: string;
  readonly filename: string | undefined;
  /** `blake3:` and its hexadecimal digest, if that was announced before it. */
  readonly announced?: string | undefined;
  readonly holds: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** Keeps a file that arrives, and answers when all of it is kept. */
export type Receive = (source: AsyncIterable<Uint8Array>, arrival: Arrival) => Promise<AssetFile>;

export interface FormLimits {
  /** Of all parts that are no files, and of each text field. */
  readonly textBytes: number;
  readonly nameBytes: number;
  readonly fields: number;
  readonly files: number;
  /** Of a file that is one picture in memory. */
  readonly pictureBytes: number;
}

interface FormFiles {
  /** The one file that it may have. */
  readonly only?: string;
  /** The field that has the hash of it, and counts if it comes before the file. */
  readonly announced?: string;
  /** Several files may have one name, and are no inputs of a workflow by it. */
  readonly repeated?: boolean;
}

/** What is read ahead of a file is not yet counted as its own. */
const READ_AHEAD_BYTES = 1024 * 1024;
const FIELD = 'file';

/** Reads a form with one picture in the file field `image`, into memory. */
export function pictureFormReader(limits: FormLimits): RequestHandler {
  const read = multer({
    storage: multer.memoryStorage(),
    limits: { ...multerLimits(limits), fileSize: limits.pictureBytes, parts: limits.fields + 1 },
  }).single('image');
  return (request, response, next) => {
    const most = limits.textBytes + limits.pictureBytes + READ_AHEAD_BYTES;
    const done = limitForm(request, next, (bytes) => {
      localsOf(response).upload?.arrived(bytes);
      return bytes > most ? `The form is larger than ${most} bytes.` : undefined;
    });
    if (done !== undefined) read(request, response, done);
  };
}

/**
 * Reads a form: its text fields into the body, its files through `receive`, one after the other, so that of no file more is
 * in memory than what is being stored.
 */
export function filesFormReader(limits: FormLimits, receive: Receive, form: FormFiles): RequestHandler {
  const { only, announced, repeated = false } = form;
  const { textBytes, fields, files } = limits;
  return (request, response, next) => {
    const received: (SentFile | undefined)[] = [];
    const seen = new Set<string>();
    let ofFiles = 0;
    const count = (bytes: number) => {
      ofFiles += bytes;
    };
    const storage: StorageEngine = {
      _handleFile: ({ body }, { fieldname: field, originalname, stream }, done) => {
        const filename = ownNameOf(originalname);
        const hash: unknown = announced === undefined ? undefined : body[announced];
        const arrival = {
          ...arrivalOf(localsOf(response)),
          pointer: pointerOf(field, form),
          filename,
          announced: typeof hash === 'string' ? hash : undefined,
        };
        // They stay in their order, also where one of them is refused.
        const place = received.push(undefined) - 1;
        receive(chunksOf(stream, count), arrival).then((file) => {
          received[place] = { field, filename, file };
          done(null);
        }, done);
      },
      // Other assets may have the same content.
      _removeFile: (_request, _file, done) => done(null),
    };
    const read = multer({
      storage,
      defParamCharset: 'utf8',
      limits: { ...multerLimits(limits), files, parts: fields + files },
      fileFilter: (_request, { fieldname }, accept) => {
        const isFirst = !seen.has(fieldname);
        seen.add(fieldname);
        if ((isFirst || repeated) && (only === undefined || fieldname === only)) accept(null, true);
        else accept(unexpected(fieldname, form));
      },
    }).any();
    const kept = (error?: unknown) => {
      localsOf(response).files = received.filter((file) => file !== undefined);
      next(error);
    };
    const done = limitForm(request, kept, (bytes) =>
      bytes - ofFiles > textBytes + READ_AHEAD_BYTES
        ? `The form has more than ${textBytes} bytes besides its files.`
        : undefined,
    );
    if (done !== undefined) read(request, response, done);
  };
}

/** Hands a body that is one file to `receive`, whatever its type; or reads a form with it. */
export function fileReader(limits: FormLimits, receive: Receive): RequestHandler {
  const form = filesFormReader(limits, receive, { only: FIELD });
  return (request, response, next) => {
    if (request.is('multipart/form-data')) return form(request, response, next);
    if (isCompressed(request)) return next(compressed('file'));
    const locals = localsOf(response);
    const named = new URLSearchParams(request.originalUrl.split('?').slice(1).join('?')).get('filename');
    const filename = ownNameOf(named ?? undefined, request.get('content-disposition'));
    receive(chunksOf(request), { ...arrivalOf(locals), pointer: `/${FIELD}`, filename }).then((file) => {
      locals.files = [{ field: FIELD, filename, file }];
      next();
    }, next);
  };
}

/** Reads a form with one file, whose hash may come before it. */
export function announcedFileReader(limits: FormLimits, receive: Receive): RequestHandler {
  return filesFormReader(limits, receive, { only: FIELD, announced: 'expected_hash' });
}

/** The chunks of a stream. A reader that stops early does not destroy it: the answer has to get through. */
async function* chunksOf(source: Readable, count: (bytes: number) => void = () => {}): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      count(chunk.length);
      yield chunk;
    }
  } finally {
    source.resume();
  }
}

function multerLimits({ textBytes, nameBytes, fields }: FormLimits): NonNullable<Options['limits']> {
  return { fieldSize: textBytes, fieldNameSize: nameBytes, fields };
}

/** Calls `next` once: when all is read, or with body_too_large as soon as `faultAt` has something to say. */
function limitForm(
  request: Request,
  next: (error?: unknown) => void,
  faultAt: (bytes: number) => string | undefined,
): ((error?: unknown) => void) | undefined {
  if (isCompressed(request)) {
    next(compressed('form'));
    return undefined;
  }
  // multer calls back from the events of the body, which belong to no trace.
  let call: ((error?: unknown) => void) | undefined = inThisTrace(next);
  const finish = (error?: unknown) => {
    call?.(error);
    call = undefined;
  };
  let bytes = 0;
  const countChunk = chunkCounter();
  request.on('data', (chunk: Buffer) => {
    if (call === undefined) return;
    bytes += chunk.length;
    try {
      countChunk(chunk);
      const fault = faultAt(bytes);
      if (fault !== undefined) throw new FleetError('body_too_large', fault);
    } catch (error) {
      // What is still to come is thrown away as it comes, so that the answer reaches its caller.
      request.unpipe();
      request.resume();
      finish(error);
    }
  });
  return finish;
}

function isCompressed(request: Request): boolean {
  return (request.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity';
}

function compressed(what: string): FleetError {
  return new FleetError('unsupported_media_type', `The ${what} is compressed; send it without Content-Encoding.`);
}

function arrivalOf({ caller, signal, upload }: Locals): Pick<Arrival, 'caller' | 'holds' | 'signal'> {
  return { caller, holds: (bytes) => upload?.arrived(bytes), signal };
}

/** Of the request as JSON: there, files of any name are among the inputs. */
function pointerOf(field: string, { only, repeated = false }: FormFiles): string {
  const isInput = only === undefined && !repeated;
  return `${isInput ? '/inputs' : ''}/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function unexpected(field: string, form: FormFiles): FleetError {
  const { only } = form;
  const detail =
    only === undefined || field === only ? 'send one file only' : `unknown file; send the file as "${only}"`;
  const errors = [{ pointer: pointerOf(field, form), detail }];
  return new FleetError('validation_failed', 'The form has a file that is not expected.', { errors });
}

const MOST_CHARS = 255;

/** What a file is called where it comes from, without folders and what no name should have; undefined: nobody says. */
export function ownNameOf(given: string | undefined, disposition?: string): string | undefined {
  const name = given ?? namedBy(disposition) ?? '';
  const plain = plainName(name).slice(-MOST_CHARS).toWellFormed().trim();
  return plain === '' ? undefined : plain;
}

function namedBy(disposition: string | undefined): string | undefined {
  try {
    return disposition === undefined ? undefined : parse(disposition).parameters.filename;
  } catch {
    return undefined; // it is only a hint
  }
}

/**
 * Names what went wrong while Express, body-parser or multer read a request. Anything else comes back as it is.
 * The codes are those of body-parser (its README, "Errors") and of multer (lib/multer-error.js).
 */
export function readingError(error: unknown): unknown {
  if (error instanceof MulterError) return formError(error);
  const { type, status, message, limit } = error as {
    type?: string;
    status?: number;
    message?: string;
    limit?: number;
  };
  if (error instanceof FleetError || !(error instanceof Error)) return error;
  switch (type) {
    case 'entity.parse.failed':
      return fault('malformed_json', `The body is not valid JSON: ${message}.`, error);
    case 'entity.too.large':
      return fault('body_too_large', `The body is larger than the ${limit} bytes that this address takes.`, error);
    case 'entity.verify.failed':
      return fault('body_too_large', `The body is too large: ${message}.`, error);
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return fault('unsupported_media_type', `The body cannot be decoded: ${message}.`, error);
    default:
  }
  // busboy's plain errors have no type and no status: they all say what is wrong with the form.
  if (isFormError(message)) return fault('malformed_request', `The form cannot be read: ${message}.`, error);
  if (status === 400) return fault('malformed_request', 'The request cannot be read.', error);
  return error;
}

function formError(error: MulterError): FleetError {
  const field = error.field ?? '';
  switch (error.code) {
    case 'LIMIT_FILE_SIZE':
      return fault('body_too_large', 'The picture is larger than this address takes.', error);
    case 'LIMIT_UNEXPECTED_FILE': {
      const detail = field === 'image' ? 'send one picture only' : 'unknown file; send the picture as the file "image"';
      const errors = [{ pointer: `/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`, detail }];
      return new FleetError('validation_failed', 'The form has a file that is not expected.', { errors, cause: error });
    }
    case 'LIMIT_FIELD_VALUE':
    case 'LIMIT_FIELD_COUNT':
    case 'LIMIT_PART_COUNT':
      return fault('body_too_large', `The form is larger than this address takes: ${error.message}.`, error);
    default:
      return fault('malformed_request', `The form cannot be read: ${error.message}.`, error);
  }
}

function isFormError(message = ''): boolean {
  return /^(Unexpected end of form|Malformed |Multipart: |Unsupported content type)/.test(message);
}

function fault(code: ErrorCode, detail: string, cause: Error): FleetError {
  return new FleetError(code, detail, { cause });
}
