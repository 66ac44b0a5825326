import type { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import type { AssetFile } from '@comfy-fleet/jobs';
import { inThisTrace } from '@comfy-fleet/telemetry';
import type { Request, RequestHandler, Response } from 'express';
import multer, { type StorageEngine } from 'multer';
import type { Caller } from '../access/caller.js';
import { ownNameOf } from '../assets/own-name.js';
import { localsOf } from './locals.js';
import type { SentFile } from './messages.js';
import { hasBody } from './take-body.js';
import { type UnpackLimits, unpackedBody } from './unpacked-body.js';

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

export interface FileLimits extends UnpackLimits {
  /** All of a form but its files. */
  readonly textBytes: number;
  /** Of each text field. */
  readonly fieldBytes: number;
  readonly nameBytes: number;
  readonly fields: number;
  readonly files: number;
}

/** What is read ahead of a file is not yet counted as its. */
const READ_AHEAD_BYTES = 1024 * 1024;
const FIELD = 'file';

/** Hands a body that is one file to `receive`, whatever its type. */
function bodyFileReader(limits: FileLimits, receive: Receive): RequestHandler {
  return (request, response, next) => {
    const locals = localsOf(response);
    if (!hasBody(request)) return next();
    const named = new URLSearchParams(request.originalUrl.split('?').slice(1).join('?')).get('filename');
    const filename = ownNameOf(named ?? undefined, request.get('content-disposition'));
    const arrival = { ...common(response), pointer: `/${FIELD}`, filename };
    receive(unpackedBody(request, limits), arrival).then((file) => {
      locals.files = [{ field: FIELD, filename, file }];
      next();
    }, next);
  };
}

interface FormFiles {
  /** The one file that it may have. */
  readonly only?: string;
  /** The field that has the hash of it, and counts if it comes before the file. */
  readonly announced?: string;
  /** Several files may have one name, and are no inputs of a workflow by it. */
  readonly repeated?: boolean;
}

/**
 * Reads a form: its text fields into the body, its files through `receive`, one after the other, so that of no file more is
 * in memory than what is under way.
 */
export function formFilesReader(limits: FileLimits, receive: Receive, form: FormFiles): RequestHandler {
  const { only, announced, repeated = false } = form;
  const { textBytes, fieldBytes, nameBytes, fields, files } = limits;
  return (request, response, next) => {
    const encoding = request.get('content-encoding') ?? 'identity';
    if (encoding !== 'identity') {
      return next(new FleetError('unsupported_media_type', `The form is packed as ${encoding}; send it as it is.`));
    }
    const received: (SentFile | undefined)[] = [];
    const seen = new Set<string>();
    let ofFiles = 0;
    async function* counted(source: Readable) {
      try {
        // Destroyed by who stops reading, it would tell multer of that before the reason is known.
        for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          ofFiles += chunk.length;
          yield chunk;
        }
      } finally {
        source.resume();
      }
    }
    const storage: StorageEngine = {
      _handleFile: ({ body }, { fieldname: field, originalname, stream }, done) => {
        const filename = ownNameOf(originalname);
        const pointer = pointerOf(field, form);
        const hash: unknown = announced === undefined ? undefined : body[announced];
        const arrival = {
          ...common(response),
          pointer,
          filename,
          announced: typeof hash === 'string' ? hash : undefined,
        };
        // Kept one after the other, or not: they stay in their order.
        const place = received.push(undefined) - 1;
        receive(counted(stream), arrival).then((file) => {
          received[place] = { field, filename, file };
          done(null);
        }, done);
      },
      // Others may have the same content.
      _removeFile: (_request, _file, done) => done(null),
    };
    const read = multer({
      storage,
      defParamCharset: 'utf8',
      limits: { fieldSize: fieldBytes, fieldNameSize: nameBytes, fields, files, parts: fields + files },
      fileFilter: (_request, { fieldname }, accept) => {
        const isFirst = !seen.has(fieldname);
        seen.add(fieldname);
        if ((isFirst || repeated) && (only === undefined || fieldname === only)) accept(null, true);
        else accept(unexpected(fieldname, form));
      },
    }).any();
    // What it calls when it is done, it calls from the events of the body, which know of no trace.
    let done: ((error?: unknown) => void) | undefined = inThisTrace(next);
    const finish = (error?: unknown) => {
      localsOf(response).files = received.filter((file) => file !== undefined);
      done?.(error);
      done = undefined;
    };
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (done === undefined || bytes - ofFiles <= textBytes + READ_AHEAD_BYTES) return;
      // What is still to come is thrown away as it comes, so that the answer reaches its caller.
      request.unpipe();
      request.resume();
      finish(new FleetError('body_too_large', `The form has more than ${textBytes} bytes besides its files.`));
    });
    read(request, response, finish);
  };
}

function common(response: Response): Pick<Arrival, 'caller' | 'holds' | 'signal'> {
  const { caller, gone, upload } = localsOf(response);
  return { caller, holds: (bytes) => upload?.arrived(bytes), signal: gone.signal };
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

/** The reader of a route that takes one file in a form, which may announce its hash. */
export function announcedFileReader(limits: FileLimits, receive: Receive): RequestHandler {
  return formFilesReader(limits, receive, { only: FIELD, announced: 'expected_hash' });
}

/** The reader of a route that takes one file: as its body, or as the file `file` of a form. */
export function fileReader(limits: FileLimits, receive: Receive): RequestHandler {
  const [body, form] = [bodyFileReader(limits, receive), formFilesReader(limits, receive, { only: FIELD })];
  return (request: Request, response, next) =>
    request.is('multipart/form-data') ? form(request, response, next) : body(request, response, next);
}
