import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import helmet from 'helmet';
import { type HeaderList, localsOf } from './locals.js';
import type { Reply } from './messages.js';
import { problemReply } from './problems.js';

const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' };

/** `pipeline` alone takes seven of the ten at which Node warns of a leak. */
const MOST_LISTENERS = 20;

/** As Express does it, without what the answers of this API never need: an ETag, a look at what the caller has already. */
export async function send({ status, headers, body, refused }: Reply, response: Response): Promise<void> {
  const { headerList, limits, requestId, instruments } = localsOf(response);
  const id = headers?.['X-Request-Id'] === undefined ? { 'X-Request-Id': requestId } : undefined;
  if (refused !== undefined) instruments.refused(refused);
  if (body instanceof Readable) {
    response.writeHead(status, headerList(id, limits, headers)).flushHeaders();
    if (response.req.method === 'HEAD') {
      body.destroy();
      response.end();
    } else {
      response.setMaxListeners(MOST_LISTENERS);
      await pipeline(body, response);
    }
  } else if (body === undefined) {
    response.writeHead(status, headerList(id, limits, headers)).end();
  } else {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const type = headers?.['Content-Type'] === undefined ? JSON_TYPE : undefined;
    const length = { 'Content-Length': `${Buffer.byteLength(text)}` };
    response.writeHead(status, headerList(type, id, limits, headers, length)).end(text);
  }
}

/** Answers an error, whatever it is. */
export async function failed(error: unknown, request: Request, response: Response): Promise<void> {
  const locals = localsOf(response);
  const { challenge, log, path } = locals;
  if (request.socket.destroyed) {
    log().debug('the caller went away', { path, error });
    return;
  }
  const reply = problemReply(error, locals);
  // Too late to say so: a connection that breaks off tells the caller that the body is not whole.
  if (response.headersSent) response.destroy();
  else if (reply.status !== 401 || challenge === undefined) await send(reply, response);
  else await send({ ...reply, headers: { ...reply.headers, 'WWW-Authenticate': challenge } }, response);
}

/**
 * Lists the headers that every answer has and those of this one, which count where both have one. helmet gives every
 * answer the same, so it is asked once.
 */
export function createHeaderList(): HeaderList {
  const sample = new ServerResponse(new IncomingMessage(new Socket()));
  helmet()(sample.req, sample, () => {});
  sample.setHeader('Cache-Control', 'no-store');
  const always = sample.getHeaderNames().flatMap((name) => [name, `${sample.getHeader(name)}`]);
  const places = new Map(always.map((name, index) => [name, index + 1]));
  return (...headers) => {
    const list = [...always];
    for (const some of headers) {
      for (const name in some) {
        const place = places.get(name.toLowerCase());
        const value = some[name] as string;
        if (place === undefined) list.push(name, value);
        else list[place] = value;
      }
    }
    return list;
  };
}
