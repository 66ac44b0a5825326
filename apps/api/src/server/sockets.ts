import type { Response } from 'express';
import { type WebSocket, WebSocketServer } from 'ws';
import { knownCaller } from './gate.js';
import { type OpenStreams, openUntil } from './key-limits.js';
import { LINGER_MS } from './listen.js';
import { localsOf } from './locals.js';
import type { ApiRequest, Route } from './messages.js';

/** A path where callers can open WebSockets. */
export interface SocketRoute extends Pick<Route, 'path' | 'access' | 'basic'> {
  /** Called with an open socket before any message is read. The socket is closed with 1001 when the process stops. */
  connect(socket: WebSocket, request: ApiRequest): void;
}

export interface SocketOptions {
  readonly streams: OpenStreams;
  readonly heartbeatMs: number;
  readonly stopping: AbortSignal;
}

const GOING_AWAY = 1001;
/** "Policy violation". */
const NOT_ADMITTED = 1008;
/** Limit for a client's message. ComfyUI's clients only send their feature flags. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const MAX_FRAGMENTS = 16;
/** How many messages, pings and pongs a client may send in a burst, and per second after it. From 60 pings on, ws resets the connection. */
const FRAMES_AT_ONCE = 50;
const FRAMES_PER_SECOND = 20;
/** After this much silence, in ms, TCP keep-alive checks whether the client is still connected. */
const KEEP_ALIVE_MS = 60_000;
const FRAME_EVENTS = ['message', 'ping', 'pong'] as const;

/** What arrived after the request can be read from the connection; see listen.ts. */
const NOTHING = Buffer.alloc(0);

/** Makes a function that opens a WebSocket for a request. The socket counts as an open stream. */
export function createSockets({ streams, heartbeatMs, stopping }: SocketOptions) {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    maxFragments: MAX_FRAGMENTS,
  });
  const leave = (socket: WebSocket) => socket.close(GOING_AWAY, 'the server is stopping');
  stopping.addEventListener('abort', () => server.clients.forEach(leave), { once: true });

  return (response: Response, connect: (socket: WebSocket) => void): void => {
    const { req: request } = response;
    const locals = localsOf(response);
    openUntil(locals.signal, streams, knownCaller(locals.caller).id);
    server.handleUpgrade(request, request.socket, NOTHING, (opened) => {
      response.statusCode = 101;
      request.socket.setKeepAlive(true, KEEP_ALIVE_MS);
      locals.cut = () => opened.close(NOT_ADMITTED, 'the API key is no longer valid');
      const beat = setInterval(() => opened.ping(), heartbeatMs);
      opened.on('error', (error) => locals.log.debug('a socket failed', { error }));
      opened.once('close', () => clearInterval(beat));
      limitFrames(opened);
      connect(opened);
      if (stopping.aborted) leave(opened);
    });
  };
}

/** Closes a socket whose client exceeds the message rate. */
function limitFrames(opened: WebSocket): void {
  let left = FRAMES_AT_ONCE;
  let countedAt = performance.now();
  const count = () => {
    const now = performance.now();
    left = Math.min(FRAMES_AT_ONCE, left + ((now - countedAt) / 1000) * FRAMES_PER_SECOND) - 1;
    countedAt = now;
    if (left >= 0) return;
    for (const event of FRAME_EVENTS) opened.off(event, count);
    opened.close(NOT_ADMITTED, 'too many messages');
    opened.pause(); // stops reading, including the reply to the close frame
    const late = setTimeout(() => opened.terminate(), LINGER_MS);
    opened.once('close', () => clearTimeout(late));
  };
  for (const event of FRAME_EVENTS) opened.on(event, count);
}
