import { FleetError } from '@comfy-fleet/contracts';
import type { RequestHandler } from 'express';

const RETRY_AFTER_SECONDS = 2;

/**
 * Refuses a body with `overloaded` while those under way and it would be more than `mostBytes`: bodies with pictures are
 * kept in memory until they are answered. `largest` is what a body without a length counts as.
 */
export function uploadGate({ mostBytes, largest }: { mostBytes: number; largest: number }): RequestHandler {
  let underWay = 0;
  return (request, response, next) => {
    const length = Number(request.get('content-length') ?? largest);
    const bytes = Number.isFinite(length) ? Math.min(length, largest) : largest;
    if (underWay > 0 && underWay + bytes > mostBytes) {
      const detail = 'Too many pictures are being sent at the moment. Try again in a moment.';
      return next(new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS }));
    }
    underWay += bytes;
    response.once('close', () => {
      underWay -= bytes;
    });
    next();
  };
}
