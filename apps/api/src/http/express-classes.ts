import { IncomingMessage, ServerResponse } from 'node:http';
import express, { type Express } from 'express';
import { closeAfter } from './close-connection.js';
import { hasBody } from './take-body.js';

/** What Express asks from a request or an answer, it asks of this app: all have the same settings. */
const first = withSettings(express());

/** The number of small pieces that a body may have; the pieces of a body with more must average MIN_PIECE_BYTES. */
const SMALL_PIECES = 1000;
const MIN_PIECE_BYTES = 64;
/** The event of a request whose body comes in too many small pieces. */
export const TOO_SMALL_PIECES = 'tooSmallPieces';

class ExpressRequest extends IncomingMessage {
  #pieces = 0;
  #bytes = 0;

  /** Node calls this for each chunk of a chunked body, which takes far longer than to read its few bytes. */
  override push(piece: Buffer | null): boolean {
    if (piece === null) return super.push(null); // the end
    this.#pieces += 1;
    this.#bytes += piece.length;
    if (this.#pieces > SMALL_PIECES && this.#bytes < this.#pieces * MIN_PIECE_BYTES) this.emit(TOO_SMALL_PIECES);
    return super.push(piece);
  }
}
class ExpressResponse extends ServerResponse<ExpressRequest> {
  /** Every answer passes here, also if its head is written implicitly. */
  override writeHead(status: number, ...rest: never[]): this {
    if (hasBody(this.req) && !this.req.complete) closeAfter(this);
    return super.writeHead(status, ...rest);
  }
}
Object.setPrototypeOf(ExpressRequest.prototype, first.request);
Object.setPrototypeOf(ExpressResponse.prototype, first.response);

/**
 * What a server makes of requests and their answers, for Node's createServer. Express has methods of its own for both, and
 * sets their prototypes anew for each request. V8 takes every such object for one of its own kind, and keeps that until the
 * next collection of everything: of 24 KB that a request to a bare route took, 14.
 */
export const EXPRESS_CLASSES = { IncomingMessage: ExpressRequest, ServerResponse: ExpressResponse };

/** An app that finds on them the prototypes that it would set. */
export function createApp(): Express {
  const prototypes = { request: ExpressRequest.prototype, response: ExpressResponse.prototype };
  return Object.assign(withSettings(express()), prototypes);
}

function withSettings(app: Express): Express {
  app.disable('x-powered-by');
  app.disable('etag'); // jobs change all the time and are small; pictures bring their own
  return app;
}
