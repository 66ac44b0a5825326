import { type RequestHandler, Router } from 'express';
import { announcedFileReader, fileReader, filesFormReader, pictureFormReader, type Receive } from './form-readers.js';
import { localsOf } from './locals.js';
import type { Route } from './messages.js';
import { arrival, type BodyToRead, bodyReader, declaredBytes, onlyTypes, type ReadLimits } from './read-body.js';
import type { Turns } from './turns.js';
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
  computing: Turns,
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
  const reading = (body: BodyToRead) => bodyReader(body, limits, computing);
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
