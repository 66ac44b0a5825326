import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { describeRefusal, isRefusal } from './errors.js';
import { createFrameReader } from './frame-reader.js';
import { watchLiveness } from './liveness.js';
import type { SocketEvent } from './socket-events.js';

/** What a socket writes to the log; a Logger of telemetry fits. */
export interface SocketLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
  error(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface ComfySocketOptions {
  /** The same as the client's: http becomes ws, https wss, a path is kept. */
  readonly baseUrl: string;
  readonly instance: string;
  /** As the client's. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** For the handshake. */
  readonly timeoutMs: number;
  /** Every so often a ping; a peer that was silent through two of them is dead. ComfyUI itself never pings. */
  readonly pingMs: number;
  /** Must not throw. */
  readonly onEvent: (event: SocketEvent) => void;
  /**
   * Must not throw. True after each connect: ask `find` about prompts under way, for what was sent in the gap is not
   * sent again. False when an open connection is gone.
   */
  readonly onState: (open: boolean) => void;
  readonly log: SocketLog;
}

/**
 * A socket that opens itself again until it is closed. It is a hint and never the truth: that is `ComfyClient.find`.
 */
export interface ComfySocket {
  /**
   * To submit with. Every connection and every attempt at one has a fresh one (two sockets with one id: the newer goes
   * silent when the older closes), so read it anew for each submission. While not open it is the next connection's, or
   * was one's that failed: a prompt submitted with it may not be heard of again.
   */
  readonly clientId: string;
  readonly isOpen: boolean;
  /** Ends the connection and opens no other. */
  close(): Promise<void>;
}

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1000;
/** For the goodbye of `close`: a courtesy, whose answer nobody needs. */
const GOODBYE_MS = 500;
/** A preview of a large picture is some 100 kB; a `progress_state` of a graph of a thousand nodes as much. */
const MAX_FRAME_BYTES = 32 * 1024 * 1024;
/** It must be the first frame; the server then names prompt and node in its previews. */
const FIRST_FRAME = JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } });

/** Begins to connect and answers at once. */
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
      // not at the handshake: something that accepts and hangs up at once is not to be hammered
      retryMs = FIRST_RETRY_MS;
      try {
        const event = read(data, isBinary);
        if (event !== undefined) onEvent(event);
      } catch (error) {
        // What one prompt makes of a frame must not end the process, which drives the prompts of others too.
        log.error('a frame could not be handled', { instance, error });
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

/** What a 401 or 403 to the handshake means; ws tells the status in its words only. */
function handshakeFault(instance: string, { message }: Error, headers: object): string | undefined {
  const status = Number(/^Unexpected server response: (\d+)$/.exec(message)?.[1]);
  if (!isRefusal(status)) return undefined;
  const { refusal, advice } = describeRefusal(instance, status, Object.keys(headers).length > 0);
  return `it ${refusal}: ${advice}`;
}
