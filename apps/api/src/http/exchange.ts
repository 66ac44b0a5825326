import type { Socket } from 'node:net';
import { noteFacts, noteRoute } from '@comfy-fleet/telemetry';
import type { Request, RequestHandler } from 'express';
import type { Gate } from '../access/gate.js';
import type { Meter } from '../access/meter.js';
import type { ApiInstruments } from '../metrics.js';
import { countAfter, countBefore } from './counting.js';
import { type Locals, localsOf } from './locals.js';
import type { ApiRequest, Route } from './messages.js';
import { refusal } from './problems.js';
import { failed, send } from './send.js';

export interface Entrance {
  readonly gate: Gate;
  readonly meter: Meter;
  readonly instruments: ApiInstruments;
}

/** Asks who is there, and counts the request, before its body is read. */
export function entered(
  { method, path, access, basic, counted, polled }: Omit<Route, 'handler'>,
  { gate, meter, instruments }: Entrance,
): RequestHandler {
  const answered = instruments.answered(method, path);
  return async (request, response, next) => {
    const locals = localsOf(response);
    locals.polled = polled;
    locals.answered = answered;
    noteRoute(request.method, path);
    const visit = {
      method: request.method,
      path: locals.path,
      takesBasic: basic === true,
      get query() {
        return queryOf(request);
      },
      header: (name: string) => request.get(name),
    };
    locals.caller = await gate.admit(access, visit);
    await countBefore(counted, meter, locals);
    // Whoever left meanwhile has closed its request: nothing that waits for that would ever be let go.
    if (!locals.gone.isOver) next();
  };
}

/** Has the handler answer. */
export function served({ handler, held }: Pick<Route, 'handler' | 'held'>): RequestHandler {
  return async (request, response) => {
    const locals = localsOf(response);
    locals.job = request.params.id as string | undefined;
    try {
      const answer = (async () => handler(toApiRequest(request, locals)))();
      if (held) allowSilence(request.socket, answer);
      answer.catch(() => {}); // until it is waited for
      await countAfter(answer, locals);
      const reply = await answer;
      if (reply.job !== undefined) locals.job = reply.job;
      if (locals.job !== undefined) noteFacts({ 'comfy_fleet.job.id': locals.job });
      await send(reply, response);
    } catch (error) {
      await failed(error, request, response);
    }
  };
}

/** How often the other side is asked whether it is still there, in ms: of one that is cut off nobody hears otherwise. */
const ASK_MS = 30_000;

/** Until there is an answer; whoever does not read that is as slow as any other. */
function allowSilence(socket: Socket, answer: Promise<unknown>): void {
  const { timeout = 0 } = socket;
  socket.setTimeout(0);
  socket.setKeepAlive(true, ASK_MS);
  const restore = () => socket.setTimeout(timeout);
  answer.then(restore, restore);
}

function toApiRequest(request: Request, locals: Locals): ApiRequest {
  const { path, caller, counting, gone } = locals;
  const { file } = request;
  return {
    method: request.method,
    path,
    params: request.params as Record<string, string>,
    get query() {
      return queryOf(request);
    },
    header: (name) => request.get(name),
    caller,
    counting,
    refuse: (error, headers) => refusal(error, locals, headers),
    range: (size) => {
      const ranges = request.range(size, { combine: true });
      if (ranges === -1) return 'unsatisfiable';
      // What is no range, is in another unit or is several ranges may be answered with the whole (RFC 9110, 14.2).
      if (!Array.isArray(ranges) || ranges.type !== 'bytes' || ranges.length !== 1) return undefined;
      return ranges[0];
    },
    body: request.body,
    get isForm() {
      return Boolean(request.is('multipart/form-data'));
    },
    file: file === undefined ? undefined : { data: file.buffer, contentType: file.mimetype },
    files: locals.files ?? [],
    raw: locals.raw,
    picture: locals.picture,
    holds: (bytes) => locals.upload?.arrived(bytes),
    get log() {
      return locals.log;
    },
    get signal() {
      return gone.signal;
    },
    get hasLeft() {
      return gone.isOver;
    },
  };
}

function queryOf(request: Request): URLSearchParams {
  return new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
}
