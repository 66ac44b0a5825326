import { FleetError } from '@comfy-fleet/contracts';
import type { Request, RequestHandler, Response } from 'express';
import { createPictureText } from '../pictures/picture-text.js';
import { announcedFileReader, fileReader, formFilesReader, type Receive } from './file-readers.js';
import { formReader } from './form-reader.js';
import { type JsonBodyOptions, readJsonBody } from './json-body.js';
import type { JsonLimits } from './json-scan.js';
import { localsOf } from './locals.js';
import type { Route } from './messages.js';
import { readRawBody } from './raw-body.js';
import { steadyArrival } from './steady-arrival.js';
import { bytesOf, hasBody } from './take-body.js';
import { createUploadBudget } from './upload-budget.js';

export interface BodyLimits {
  /** Bytes of JSON, besides a picture in it; also of each text field of a form. */
  readonly maxJsonBytes: number;
  readonly json: JsonLimits;
  readonly maxFormFields: number;
  /** Bytes that may come out of one that arrived. */
  readonly maxUnpackRatio: number;
  readonly maxImageBytes: number;
  /** Of a workflow that comes as JSON. */
  readonly maxWorkflowBytes: number;
  /** Of a graph with what is kept beside it. */
  readonly maxPromptBytes: number;
  /** Of a body that is a file, and of each file of a form. */
  readonly maxAssetBytes: number;
  readonly maxFormFiles: number;
  /** Of bodies with pictures and files, as they are in memory, all together, and of one key. */
  readonly maxUploadingBytes: number;
  readonly maxUploadingBytesOfKey: number;
  /** Of a body while it arrives. */
  readonly minUploadBytesPerSecond: number;
}

/** What is in memory of a file under way, at most: the pieces that a bucket takes, see packages/frames. */
const STREAM_BYTES = 16 * 1024 * 1024;
/** Of JSON with several pictures in it, which is parsed at once: that must not hold up other requests for long. */
const PICTURES_JSON_BYTES = 8 * 1024 * 1024;
/** How long a body's rate is looked at. */
const RATE_WINDOW_MS = 10_000;

type Refuse = (error: FleetError, request: Request, response: Response) => Promise<void>;

/** What runs before a handler to read the body that its route takes. */
export function createBodyReaders(
  limits: BodyLimits,
  { refuse, receive }: { readonly refuse: Refuse; readonly receive: Receive },
): (route: Pick<Route, 'body' | 'converts'>) => RequestHandler[] {
  const { maxJsonBytes, maxImageBytes } = limits;
  const arriving = steadyArrival({
    bytesPerSecond: limits.minUploadBytesPerSecond,
    windowMs: RATE_WINDOW_MS,
    refuse,
  });
  const json = {
    ...limits.json,
    mostBytes: maxJsonBytes,
    textBytes: maxJsonBytes,
    ratio: limits.maxUnpackRatio,
    freeBytes: maxJsonBytes,
  };
  // base64 makes four characters out of three bytes
  const withPicture = maxJsonBytes + Math.ceil((maxImageBytes * 4) / 3);
  const form = formReader(
    {
      mostBytes: withPicture,
      fieldBytes: maxJsonBytes,
      nameBytes: limits.json.nameBytes,
      fields: limits.maxFormFields,
      pictureBytes: maxImageBytes,
    },
    (response) => (bytes) => localsOf(response).upload?.arrived(bytes),
  );
  const budget = createUploadBudget({
    mostBytes: limits.maxUploadingBytes,
    mostBytesOfKey: limits.maxUploadingBytesOfKey,
  });

  /** `most`: what can be in memory of such a body. */
  const uploading =
    (most: number): RequestHandler =>
    (request, response, next) => {
      const { caller } = localsOf(response);
      const key = caller?.limits === undefined ? undefined : caller.id;
      const upload = budget.begin(key, Math.min(declaredBytes(request), most));
      localsOf(response).upload = upload;
      response.once('close', () => upload.end());
      next();
    };
  const fileLimits = {
    mostBytes: limits.maxAssetBytes,
    ratio: limits.maxUnpackRatio,
    freeBytes: maxJsonBytes,
    textBytes: maxJsonBytes,
    fieldBytes: maxJsonBytes,
    nameBytes: limits.json.nameBytes,
    fields: limits.maxFormFields,
    files: limits.maxFormFiles,
  };
  const file = fileReader(fileLimits, receive);
  const announcedFile = announcedFileReader(fileLimits, receive);
  const formWithFiles = formFilesReader(fileLimits, receive, {});
  const formWithMany = formFilesReader(fileLimits, receive, { repeated: true });
  const picturesReader: RequestHandler = (request, response, next) => {
    if (request.is('multipart/form-data')) return formWithMany(request, response, next);
    const options = {
      limits: { ...json, mostBytes: PICTURES_JSON_BYTES, textBytes: PICTURES_JSON_BYTES },
      arrived: (bytes: number) => localsOf(response).upload?.arrived(bytes),
    };
    void read(options, request, response).then(next, next);
  };
  const jsonBody = jsonReader({ limits: json, arrived: () => {} });
  const filesReader: RequestHandler = (request, response, next) =>
    request.is('multipart/form-data') ? formWithFiles(request, response, next) : jsonBody(request, response, next);
  const pictureReader: RequestHandler = (request, response, next) => {
    if (request.is('multipart/form-data')) return form(request, response, next);
    const options = {
      limits: { ...json, mostBytes: withPicture },
      arrived: (bytes: number) => localsOf(response).upload?.arrived(bytes),
      picture: () => createPictureText(maxImageBytes),
    };
    void read(options, request, response).then(next, next);
  };

  const rawReader =
    (isLoose: boolean): RequestHandler =>
    (request, response, next) => {
      const isJson = isLoose || Boolean(request.is('application/json'));
      const mostJson = isLoose ? limits.maxPromptBytes : limits.maxWorkflowBytes;
      const options = {
        limits: { ...json, mostBytes: isJson ? mostJson : maxImageBytes, freeBytes: maxJsonBytes },
        json: isJson ? limits.json : undefined,
        arrived: (bytes: number) => localsOf(response).upload?.arrived(bytes),
      };
      readRawBody(request, options).then((data) => {
        const contentType = (request.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
        localsOf(response).raw = { data, contentType };
        next();
      }, next);
    };

  const readersOf = (body: Route['body']): RequestHandler[] => {
    switch (body) {
      case 'json':
        return [only('application/json'), arriving, jsonBody];
      case 'picture':
        return [only('application/json', 'multipart/form-data'), arriving, uploading(withPicture), pictureReader];
      case 'file':
        return [arriving, uploading(STREAM_BYTES), file];
      case 'announced':
        return [only('multipart/form-data'), arriving, uploading(STREAM_BYTES), announcedFile];
      case 'files':
        return [only('application/json', 'multipart/form-data'), arriving, uploading(STREAM_BYTES), filesReader];
      case 'pictures':
        return [only('application/json', 'multipart/form-data'), arriving, uploading(STREAM_BYTES), picturesReader];
      case 'workflow':
        return [
          only('application/json', 'image/png', 'image/webp'),
          arriving,
          uploading(withPicture),
          rawReader(false),
        ];
      case 'exact':
        return [only('application/json'), arriving, uploading(withPicture), rawReader(false)];
      case 'loose':
        return [arriving, uploading(withPicture), rawReader(true)];
      default:
        return [];
    }
  };
  return ({ body, converts }) => (converts ? [uploading(0), ...readersOf(body)] : readersOf(body));
}

/** What a body says it has, as it will be in memory: 0 where that is not known before it comes. */
function declaredBytes(request: Request): number {
  const bytes = bytesOf(request);
  return Number.isFinite(bytes) ? bytes : 0;
}

function jsonReader(options: JsonBodyOptions): RequestHandler {
  return (request, response, next) => void read(options, request, response).then(next, next);
}

async function read(options: JsonBodyOptions, request: Request, response: Response): Promise<undefined> {
  if (!hasBody(request)) return undefined;
  const { value, picture } = await readJsonBody(request, options);
  request.body = value;
  localsOf(response).picture = picture;
  return undefined;
}

/** Refuses other content types. A request without a body passes: its missing fields are what it should hear about. */
function only(...types: string[]): RequestHandler {
  return (request, _response, next) => {
    // As nearly all send it: to parse it costs more than to read a small body.
    if (types.includes(request.headers['content-type'] ?? '')) return next();
    const type = request.is(types);
    if (type || type === null || request.get('content-length') === '0') return next();
    const sent = request.get('content-type');
    const is = sent === undefined ? 'The body has no content type' : `The body is ${sent}`;
    next(new FleetError('unsupported_media_type', `${is}; send ${types.join(' or ')}.`));
  };
}
