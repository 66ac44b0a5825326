import type { Readable } from 'node:stream';
import type { Config } from '@comfy-fleet/config';
import { areTooSmall, FleetError } from '@comfy-fleet/contracts';
import { plainName } from '@comfy-fleet/frames';
import type { AssetFile } from '@comfy-fleet/jobs';
import { inThisTrace } from '@comfy-fleet/telemetry';
import { parse } from 'content-disposition';
import type { RequestHandler } from 'express';
import multer, { type StorageEngine } from 'multer';
import { escapePointer } from './field-errors.js';
import { type Caller, knownCaller } from './gate.js';
import { queryOf } from './listen.js';
import { type Locals, localsOf } from './locals.js';
import type { SentFile } from './messages.js';

/** What is known about a file when it arrives. */
export interface Arrival {
  readonly caller: Caller;
  /** The request field that the file belongs to, for errors. */
  readonly pointer: string;
  /** The client's name for the file. */
  readonly filename: string | undefined;
  /** Counts bytes of the file that are held in memory. */
  readonly holds: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** Stores an arriving file; resolves when the whole file is stored. */
export type Receive = (source: AsyncIterable<Uint8Array>, arrival: Arrival) => Promise<AssetFile>;

export interface FormLimits extends Pick<Config['http'], 'json' | 'maxJsonBytes' | 'maxFormFields' | 'maxFormFiles'> {
  readonly maxImageBytes: number;
}

export interface FormFiles {
  /** The name of the only file field that is allowed; undefined: any. */
  readonly only?: string;
  /** The file is a picture, which is read into memory. */
  readonly inMemory?: true;
  /** Several files may have the same field name. Their fields are then not inputs of a workflow. */
  readonly repeated?: true;
}

/** The file field of a form with one file. */
export const FILE_FIELD = 'file';
const MOST_NAME_CHARS = 255;
/** The part of a file that is in memory while it is uploaded to a bucket; see packages/frames. */
const STREAM_BYTES = 16 * 1024 * 1024;

/** Reads a form: puts its text fields into the body, and passes its files to `receive` one after the other. */
export function formReader(limits: FormLimits, receive: Receive, form: FormFiles): RequestHandler {
  const { only, inMemory = false, repeated = false } = form;
  const { json, maxJsonBytes, maxImageBytes, maxFormFields: fields, maxFormFiles: files } = limits;
  const most = { fieldSize: maxJsonBytes, fieldNameSize: json.nameBytes, fields, files, parts: fields + files };
  return (request, response, next) => {
    const locals = localsOf(response);
    const received: (SentFile | undefined)[] = [];
    const seen = new Set<string>();
    const storage: StorageEngine = {
      _handleFile: (_request, { fieldname: field, originalname, stream }, done) => {
        const filename = ownNameOf(originalname);
        const about = { ...arrivalOf(locals), pointer: pointerOf(field, form), filename };
        // Reserves the place, so that files keep their order even when one of them is refused.
        const place = received.push(undefined) - 1;
        receive(chunksOf(stream, locals), about).then((file) => {
          received[place] = { field, filename, file };
          done(null);
        }, done);
      },
      // The stored file stays, since other assets may have the same content.
      _removeFile: (_request, _file, done) => done(null),
    };
    const read = multer({
      storage: inMemory ? multer.memoryStorage() : storage,
      defParamCharset: 'utf8',
      // With nesting, a field named `a[4000000000]` would create an array of four billion entries.
      limits: { ...most, ...(inMemory ? { fileSize: maxImageBytes } : {}), fieldNestingDepth: 0 },
      fileFilter: (_request, { fieldname }, accept) => {
        const isFirst = !seen.has(fieldname);
        seen.add(fieldname);
        if ((isFirst || repeated) && (only === undefined || fieldname === only)) accept(null, true);
        else accept(unexpected(fieldname, form));
      },
    }).any();
    const done = inThisTrace((error?: unknown) => {
      locals.files = received.filter((file) => file !== undefined);
      next(error);
    });
    read(request, response, done);
  };
}

/** Reads a file that is either the whole body, of any content type, or in a form. */
export function fileReader(receive: Receive, form: RequestHandler): RequestHandler {
  return (request, response, next) => {
    if (request.is('multipart/form-data')) return form(request, response, next);
    const locals = localsOf(response);
    const named = queryOf(request.originalUrl).get('filename') ?? undefined;
    const filename = ownNameOf(named, request.get('content-disposition'));
    let chunks = 0;
    let bytes = 0;
    // A listener would make the stream flow before it is read, and its reader sees several chunks as one.
    const push = request.push.bind(request);
    request.push = (chunk: Buffer | null) => {
      chunks += 1;
      bytes += chunk?.length ?? 0;
      return push(chunk);
    };
    const body = chunksOf(request, locals, () => chunksFault(chunks, bytes));
    receive(body, { ...arrivalOf(locals), pointer: `/${FILE_FIELD}`, filename }).then((file) => {
      locals.files = [{ field: FILE_FIELD, filename, file }];
      next();
    }, next);
  };
}

/** The client's name for a file, without folders and unsafe characters. */
export function ownNameOf(given: string | undefined, disposition?: string): string | undefined {
  const name = given ?? namedBy(disposition) ?? '';
  return plainName(name).slice(-MOST_NAME_CHARS).toWellFormed().trim() || undefined;
}

function namedBy(disposition: string | undefined): string | undefined {
  try {
    return disposition === undefined ? undefined : parse(disposition).parameters.filename;
  } catch {
    return undefined; // the name is only a hint
  }
}

export function chunksFault(chunks: number, bytes: number): FleetError | undefined {
  if (!areTooSmall(chunks, bytes)) return undefined;
  return new FleetError('malformed_request', 'The body arrives in very small chunks; send larger ones.');
}

/**
 * The chunks of a file, which count as memory up to STREAM_BYTES. When the reader stops early, the stream is drained, not
 * destroyed, so that the response can be sent.
 */
async function* chunksOf(
  source: Readable,
  locals: Locals,
  faultOf?: () => FleetError | undefined,
): AsyncGenerator<Buffer> {
  const { signal } = locals;
  // Once the response is sent, the client may never send the rest.
  const stop = () => source.listenerCount('error') > 0 && source.emit('error', signal.reason);
  signal.addEventListener('abort', stop);
  let room = STREAM_BYTES;
  try {
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      locals.fileBytes = (locals.fileBytes ?? 0) + chunk.length;
      const fault = faultOf?.();
      if (fault !== undefined) throw fault;
      const held = Math.min(chunk.length, room);
      room -= held;
      locals.holds?.(held);
      yield chunk;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    source.resume();
  }
}

function arrivalOf({ caller, signal, holds }: Locals): Pick<Arrival, 'caller' | 'holds' | 'signal'> {
  return { caller: knownCaller(caller), holds: (bytes) => holds?.(bytes), signal };
}

/** The pointer of the same field in a JSON request. Where any file name is allowed, files are workflow inputs. */
function pointerOf(field: string, { only, repeated }: FormFiles): string {
  const isInput = only === undefined && repeated === undefined;
  return `${isInput ? '/inputs' : ''}/${escapePointer(field)}`;
}

function unexpected(field: string, form: FormFiles): FleetError {
  const { only } = form;
  const isKnown = only === undefined || field === only;
  const detail = isKnown ? 'send one file only' : `unknown file; send the file as "${only}"`;
  const errors = [{ pointer: pointerOf(field, form), detail }];
  return new FleetError('validation_failed', 'The form has a file that is not expected.', { errors });
}
