import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http';
import express, { type Express } from 'express';

class ExpressRequest extends IncomingMessage {}
class ExpressResponse extends ServerResponse {}
Object.setPrototypeOf(ExpressRequest.prototype, express.request);
Object.setPrototypeOf(ExpressResponse.prototype, express.response);

/**
 * What a server makes of requests and their answers, for Node's createServer. Express has methods of its own for both, and
 * sets their prototypes anew for each request. V8 takes every such object for one of its own kind, and keeps that until the
 * next collection of everything: half of the memory that a request took, and a sixth of its time.
 */
export const EXPRESS_CLASSES = { IncomingMessage: ExpressRequest, ServerResponse: ExpressResponse };

/** Has an app find on them the prototypes that it would set, also beside other apps. */
export function withoutNewPrototypes(app: Express): RequestListener {
  Object.assign(app, { request: ExpressRequest.prototype, response: ExpressResponse.prototype });
  return (request, response) => {
    Object.assign(request, { app });
    Object.assign(response, { app });
    app(request, response);
  };
}
