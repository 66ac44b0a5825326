import { FleetError } from '@comfy-fleet/contracts';
import express, { type RequestHandler } from 'express';
import multer from 'multer';
import type { Route } from './messages.js';

export interface BodyLimits {
  /** Bytes of JSON, besides a picture in it. */
  readonly maxJsonBytes: number;
  readonly maxImageBytes: number;
}

/** Far more fields than there are, so that an unknown one is named instead of being one too many. */
const MAX_FORM_FIELDS = 64;

/** What Express runs before a handler to read the body that its route takes. */
export function bodyReader(body: Route['body'], limits: BodyLimits): RequestHandler[] {
  const { maxJsonBytes, maxImageBytes } = limits;
  if (body === undefined) return [];
  if (body === 'json') return [only('application/json'), express.json({ limit: maxJsonBytes, strict: false })];
  const form = multer({
    storage: multer.memoryStorage(),
    limits: {
      fileSize: maxImageBytes,
      fieldSize: maxJsonBytes,
      fieldNameSize: 100,
      fields: MAX_FORM_FIELDS,
      parts: MAX_FORM_FIELDS + 1,
    },
  });
  // base64 makes four characters out of three bytes
  const json = express.json({ limit: maxJsonBytes + Math.ceil((maxImageBytes * 4) / 3), strict: false });
  return [only('application/json', 'multipart/form-data'), json, form.single('image')];
}

/** Refuses other content types. A request without a body passes: its missing fields are what it should hear about. */
function only(...types: string[]): RequestHandler {
  return (request, _response, next) => {
    const empty = request.get('content-length') === '0' || request.is(types) === null;
    if (empty || request.is(types)) return next();
    const sent = request.get('content-type');
    const detail = `${sent === undefined ? 'The body has no content type' : `The body is ${sent}`}; send ${types.join(' or ')}.`;
    next(new FleetError('unsupported_media_type', detail));
  };
}
