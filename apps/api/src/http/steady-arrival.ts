import { FleetError } from '@comfy-fleet/contracts';
import type { Request, RequestHandler, Response } from 'express';
import { TOO_SMALL_PIECES } from './express-classes.js';

export interface SteadyArrivalOptions {
  readonly bytesPerSecond: number;
  /** How long is looked at, in ms: less must not come in any such time. */
  readonly windowMs: number;
  /** Answers the request with an error while its body is being read. */
  readonly refuse: (error: FleetError, request: Request, response: Response) => Promise<void>;
}

/**
 * Refuses a body that stops arriving with 408, since one that is sent slowly would keep memory and a place that others need,
 * and one that comes in too many small pieces with 400.
 */
export function steadyArrival({ bytesPerSecond, windowMs, refuse }: SteadyArrivalOptions): RequestHandler {
  const least = (bytesPerSecond * windowMs) / 1000;
  const watch = (request: Request, response: Response): void => {
    const { socket } = request;
    let seen = socket.bytesRead;
    const stop = () => clearInterval(timer);
    const refused = (error: FleetError) => {
      stop();
      if (!response.headersSent) void refuse(error, request, response);
    };
    const look = () => {
      if (request.complete || response.headersSent || socket.destroyed) return stop();
      const arrived = socket.bytesRead - seen;
      seen = socket.bytesRead;
      // Time spent waiting for our own disk does not count against the client.
      if (arrived >= least || request.readableLength >= request.readableHighWaterMark) return;
      const detail = `The body came too slowly: less than ${bytesPerSecond} bytes a second for ${windowMs / 1000} s.`;
      refused(new FleetError('body_too_slow', detail));
    };
    // After what the process was too busy to read: the slowness is to be the caller's.
    const timer = setInterval(() => setImmediate(look), windowMs);
    response.once('close', stop);
    request.once(TOO_SMALL_PIECES, () => {
      refused(new FleetError('malformed_request', 'The body comes in very small chunks; send larger ones.'));
    });
  };
  return (request, response, next) => {
    if (!request.complete) watch(request, response);
    next();
  };
}
