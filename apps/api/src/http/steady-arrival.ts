import { FleetError } from '@comfy-fleet/contracts';
import type { Request, RequestHandler, Response } from 'express';

export interface SteadyArrivalOptions {
  readonly bytesPerSecond: number;
  /** How long is looked at, in ms: less must not come in any such time. */
  readonly windowMs: number;
  /** Answers the request with an error while its body is being read. */
  readonly refuse: (error: FleetError, request: Request, response: Response) => Promise<void>;
}

/** Answers 408 when a body stops arriving: whoever sends one slowly would keep memory and a place that others need. */
export function steadyArrival({ bytesPerSecond, windowMs, refuse }: SteadyArrivalOptions): RequestHandler {
  const least = (bytesPerSecond * windowMs) / 1000;
  const watch = (request: Request, response: Response): void => {
    const { socket } = request;
    let seen = socket.bytesRead;
    const look = () => {
      if (request.complete || response.headersSent || socket.destroyed) return stop();
      const arrived = socket.bytesRead - seen;
      seen = socket.bytesRead;
      // What has come and is not read yet, since who keeps it has no time, is no slowness of the caller's.
      if (arrived >= least || request.readableLength >= request.readableHighWaterMark) return;
      stop();
      const detail = `The body came too slowly: less than ${bytesPerSecond} bytes a second for ${windowMs / 1000} s.`;
      void refuse(new FleetError('body_too_slow', detail), request, response);
    };
    // After what the process was too busy to read: the slowness is to be the caller's.
    const timer = setInterval(() => setImmediate(look), windowMs);
    const stop = () => clearInterval(timer);
    response.once('close', stop);
  };
  return (request, response, next) => {
    if (!request.complete) watch(request, response);
    next();
  };
}
