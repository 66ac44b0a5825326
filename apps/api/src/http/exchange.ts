import type { Socket } from 'node:net';
import { FleetError } from '@comfy-fleet/contracts';
import { noteFacts, noteRoute } from '@comfy-fleet/telemetry';
import type { RequestHandler, Response } from 'express';
import type { Gate } from '../access/gate.js';
import type { Meter } from '../access/meter.js';
import type { ApiInstruments } from '../metrics.js';
import { countAfter, countBefore } from './counting.js';
import { localsOf } from './locals.js';
import type { Reply, Route } from './messages.js';
import { queryOf, SeenRequest } from './seen-request.js';
import { failed, send } from './send.js';

export interface Entrance {
  readonly gate: Gate;
  readonly meter: Meter;
  readonly instruments: ApiInstruments;
  /** How often the key of a stream, a wait or a socket is checked again, in ms. */
  readonly readmitMs: number;
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
    locals.admit = () => gate.admit(access, visit);
    locals.caller = await locals.admit();
    await countBefore(counted, meter, locals);
    // Whoever left meanwhile has closed its request: nothing that waits for that would ever be let go.
    if (!locals.gone.isOver) next();
  };
}

/** Has the handler answer. */
export function served(
  { handler, held }: Pick<Route, 'handler' | 'held'>,
  { readmitMs }: Pick<Entrance, 'readmitMs'>,
): RequestHandler {
  return async (request, response) => {
    const locals = localsOf(response);
    let stopChecking = held ? checkAgain(response, readmitMs) : undefined;
    locals.job = request.params.id as string | undefined;
    try {
      const answer = (async () => handler(new SeenRequest(request, locals)))();
      if (held) allowSilence(request.socket, answer);
      answer.catch(() => {}); // until it is waited for
      await countAfter(answer, locals);
      const reply = await answer;
      if (reply.job !== undefined) locals.job = reply.job;
      if (locals.job !== undefined) noteFacts({ 'comfy_fleet.job.id': locals.job });
      if (isEventStream(reply)) stopChecking ??= checkAgain(response, readmitMs);
      await send(reply, response);
    } catch (error) {
      await failed(error, request, response);
    } finally {
      stopChecking?.();
    }
  };
}

function isEventStream({ headers }: Reply): boolean {
  return headers?.['Content-Type'] === 'text/event-stream';
}

/** Breaks off the answer once its caller would not be let in any more, as when its key was revoked. */
function checkAgain(response: Response, everyMs: number): () => void {
  const check = async () => {
    try {
      await localsOf(response).admit?.();
    } catch (error) {
      // A signed link that cannot be checked while Redis is away is not refused.
      if (error instanceof FleetError && ['unauthorized', 'forbidden'].includes(error.code)) response.destroy();
    }
  };
  const checking = setInterval(() => void check(), everyMs);
  return () => clearInterval(checking);
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
