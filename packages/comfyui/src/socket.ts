import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { describeRefusal, isRefusal } from './errors.js';
import { createFrameReader, type SocketEvent } from './socket-events.js';

/** The log of a socket; a Logger of telemetry fits. */
export interface SocketLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
  error(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface ComfySocketOptions {
  /** As for the client: http becomes ws, https becomes wss, a path is kept. */
  readonly baseUrl: string;
  readonly instance: string;
  /** As for the client. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Time for the handshake. */
  readonly timeoutMs: number;
  /** Time between pings; a peer that was silent through two of them counts as dead. ComfyUI itself never pings. */
  readonly pingMs: number;
  /** Must not throw. */
  readonly onEvent: (event: SocketEvent) => void;
  /**
   * Must not throw. True after each connect: events during the gap are lost, so ask `find` about running prompts. False
   * when an open connection is gone.
   */
  readonly onState: (open: boolean) => void;
  readonly log: SocketLog;
}

/** A socket that reconnects until it is closed. It is only a hint: `ComfyClient.find` has the truth. */
export interface ComfySocket {
  /**
   * The client id for submissions. Every connection attempt has a new one (of two sockets with one id, the newer goes
   * silent when the older closes), so read it for each submission. While the socket is not open, this is the id of the
   * next connection or of a failed one, and events of a prompt submitted with it may be lost.
   */
  readonly clientId: string;
  readonly isOpen: boolean;
  /** Closes the connection and does not reconnect. */
  close(): Promise<void>;
}

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1000;
/** How long `close` waits for the peer's closing frame, which is only a courtesy. */
const GOODBYE_MS = 500;
/** A preview of a large picture is some 100 kB, like a `progress_state` of a graph of a thousand nodes. */
const MAX_FRAME_BYTES = 32 * 1024 * 1024;
/** Must be the first frame; the server then names prompt and node in its previews. */
const FIRST_FRAME = JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } });

/** Starts to connect and returns at once. */
export function connectSocket(options: ComfySocketOptions): ComfySocket {
  const { instance, headers = {}, log, onEvent, onState, pingMs, timeoutMs } = options;
  const base = options.baseUrl.replace(/^http/, 'ws').replace(/\/+$/, '');
  let clientId = randomUUID();
  let socket: WebSocket;
  let isOpen = false;
  let closing = false;
  let retryMs = FIRST_RETRY_MS;
  let retry: NodeJS.Timeout | undefined;

  const connect = () => {
    const opened = new WebSocket(`${base}/ws?clientId=${clientId}`, {
      headers,
      handshakeTimeout: timeoutMs,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
    });
    const read = createFrameReader();
    let reason: string | undefined;
    opened.on('open', () => {
      opened.send(FIRST_FRAME);
      watchLiveness(opened, pingMs, () => {
        reason = 'ComfyUI is silent';
      });
      isOpen = true;
      log.info('socket open', { instance });
      onState(true);
    });
    opened.on('message', (data: Buffer, isBinary: boolean) => {
      // Not at the handshake, so that a peer that accepts and hangs up is not hammered.
      retryMs = FIRST_RETRY_MS;
      try {
        const event = read(data, isBinary);
        if (event !== undefined) onEvent(event);
      } catch (error) {
        // A faulty frame of one prompt must not end the process, which drives other prompts too.
        log.error('could not handle a frame', { instance, error });
      }
    });
    opened.on('error', (error) => {
      reason ??= handshakeFault(instance, error, headers) ?? error.message;
    });
    opened.on('close', () => {
      const wasOpen = isOpen;
      isOpen = false;
      clientId = randomUUID();
      if (!closing) {
        if (wasOpen || retryMs === FIRST_RETRY_MS)
          log.warn('socket closed', { instance, reason: reason ?? 'by ComfyUI' });
        retry = setTimeout(connect, retryMs);
        retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
      }
      if (wasOpen) onState(false);
    });
    socket = opened;
  };
  connect();

  return {
    get clientId() {
      return clientId;
    },
    get isOpen() {
      return isOpen;
    },
    close: () =>
      new Promise((resolve) => {
        closing = true;
        clearTimeout(retry);
        if (socket.readyState === WebSocket.CLOSED) {
          resolve();
          return;
        }
        const impatience = setTimeout(() => socket.terminate(), GOODBYE_MS);
        socket.once('close', () => {
          clearTimeout(impatience);
          resolve();
        });
        socket.close();
      }),
  };
}

/** The meaning of a 401 or 403 to the handshake; ws reports the status only in its message. */
function handshakeFault(instance: string, { message }: Error, headers: object): string | undefined {
  const status = Number(/^Unexpected server response: (\d+)$/.exec(message)?.[1]);
  if (!isRefusal(status)) return undefined;
  const { refusal, advice } = describeRefusal(instance, status, Object.keys(headers).length > 0);
  return `it ${refusal}: ${advice}`;
}

/** Pings that may go unanswered: loading a model can block ComfyUI's event loop for a while. */
const PATIENCE = 2;

/** Pings an open socket until it closes; terminates it, after calling `onSilent`, when nothing comes back. */
function watchLiveness(socket: WebSocket, pingMs: number, onSilent: () => void): void {
  let unanswered = 0;
  const heard = () => {
    unanswered = 0;
  };
  const pinger = setInterval(() => {
    if (unanswered >= PATIENCE) {
      onSilent();
      socket.terminate();
      return;
    }
    unanswered += 1;
    socket.ping();
  }, pingMs);
  socket.on('message', heard);
  socket.on('pong', heard);
  socket.once('close', () => clearInterval(pinger));
}
