import cors from 'cors';
import type { RequestHandler } from 'express';

/** What pages may read of an answer besides its body. */
const EXPOSED = [
  'ETag',
  'Idempotent-Replayed',
  'Location',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'X-Request-Id',
];
const PREFLIGHT_SECONDS = 7200;

/** Lets pages of these origins (`*`: all) call the API. Keys travel in headers, so no cookies are let through. */
export function crossOrigin(origins: readonly string[]): RequestHandler {
  const origin = origins.includes('*') ? '*' : [...origins];
  const methods = ['GET', 'HEAD', 'POST', 'DELETE'];
  return cors({ origin, methods, exposedHeaders: EXPOSED, maxAge: PREFLIGHT_SECONDS });
}
