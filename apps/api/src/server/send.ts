import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { localsOf } from './locals.js';
import type { Reply } from './messages.js';
import { problemReply } from './problems.js';

export async function send({ status, headers, body, refused }: Reply, response: Response): Promise<void> {
  if (refused !== undefined) localsOf(response).instruments.refused(refused);
  response.status(status);
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  if (body instanceof Readable) {
    response.flushHeaders();
    if (response.req.method !== 'HEAD') await pipeline(body, response);
    else {
      body.destroy();
      response.end();
    }
  } else if (body === undefined) response.end();
  else {
    // Express's own json() answers 304 to some requests with If-None-Match, whatever was asked for.
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    if (response.get('Content-Type') === undefined) response.type('json');
    response.set('Content-Length', `${Buffer.byteLength(text)}`).end(text);
  }
}

/** Answers an error, whatever it is. */
export async function failed(error: unknown, request: Request, response: Response): Promise<void> {
  const locals = localsOf(response);
  const { challenge, log, path } = locals;
  if (request.socket.destroyed) {
    log.debug('the caller went away', { path, error });
    return;
  }
  const reply = problemReply(error, locals);
  // Too late to say so: a connection that breaks off tells the caller that the body is not whole.
  if (response.headersSent) response.destroy();
  else if (reply.status !== 401 || challenge === undefined) await send(reply, response);
  else await send({ ...reply, headers: { ...reply.headers, 'WWW-Authenticate': challenge } }, response);
}
