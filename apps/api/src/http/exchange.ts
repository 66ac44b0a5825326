import type { Socket } from 'node:net';
import { noteFacts, noteRoute } from '@comfy-fleet/telemetry';
import type { RequestHandler } from 'express';
import type { Gate } from '../access/gate.js';
import type { Meter } from '../access/meter.js';
import type { ApiInstruments } from '../metrics.js';
import { countAfter, countBefore } from './counting.js';
import { localsOf } from './locals.js';
import type { Route } from './messages.js';
import { queryOf, SeenRequest } from './seen-request.js';
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
      query: () => queryOf(request),
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
      const answer = (async () => handler(new SeenRequest(request, locals)))();
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
