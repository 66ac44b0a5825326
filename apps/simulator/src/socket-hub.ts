import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { isObject, isTruthy, type Json, parseJson, type Writable, writeJson } from './python.js';

const PREVIEW = 1;
const TEXT = 3;
const PREVIEW_WITH_METADATA = 4;
const JPEG = 1;

/** What the hub needs to know about the server. */
export interface HubSource {
  queueInfo(): Writable;
  features(): Writable;
  /** The node being executed, if the running prompt belongs to this client. */
  currentNode(clientId: string): string | undefined;
  /** While true, the hub sends nothing. */
  isSilent(): boolean;
}

interface Client {
  readonly socket: WebSocket;
  /** The TCP connection of the socket. */
  readonly connection: Duplex;
}

/**
 * The open sockets by client id. As in ComfyUI, the newer of two sockets with the same id takes over, and the id is
 * removed when either closes. So when the older one closes, the newer one falls silent.
 */
export class SocketHub {
  private readonly clients = new Map<string, Client>();
  private readonly flags = new Map<string, Json>();
  private readonly all = new Set<WebSocket>();
  private readonly corked = new Set<Duplex>();
  private readonly source: HubSource;

  constructor(source: HubSource) {
    this.source = source;
  }

  connect(socket: WebSocket, connection: Duplex, clientId: string): void {
    const sid = clientId === '' ? randomUUID().replace(/-/g, '') : clientId;
    this.clients.set(sid, { socket, connection });
    this.flags.delete(sid);
    this.all.add(socket);
    // `close` follows every error, and a lost client is not worth a log line.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.all.delete(socket);
      this.clients.delete(sid);
      this.flags.delete(sid);
    });
    this.sendTo(sid, 'status', { status: this.source.queueInfo(), sid });
    const node = this.source.currentNode(sid);
    if (node !== undefined) this.sendTo(sid, 'executing', { node });
    let first = true;
    socket.on('message', (data, isBinary) => {
      if (isBinary) return;
      const message = readMessage(String(data));
      if (message === undefined) return;
      if (first && isObject(message) && message.type === 'feature_flags') {
        this.flags.set(sid, message.data ?? {});
        this.sendTo(sid, 'feature_flags', this.source.features());
      }
      first = false;
    });
  }

  /** Sends to one client, or to all if there is no client id. */
  send(type: string, data: Writable, clientId: Json | undefined): void {
    if (this.source.isSilent()) return;
    if (clientId !== undefined) this.sendTo(clientId, type, data);
    else this.broadcast(type, data);
  }

  broadcast(type: string, data: Writable): void {
    if (this.source.isSilent() || this.clients.size === 0) return;
    const text = writeJson({ type, data });
    for (const client of this.clients.values()) this.write(client, text);
  }

  /** Whether a preview would reach a client. If not, it need not be drawn. */
  isListening(clientId: Json | undefined): boolean {
    if (this.source.isSilent()) return false;
    return clientId === undefined ? this.clients.size > 0 : this.clientOf(clientId) !== undefined;
  }

  wantsMetadata(clientId: Json | undefined): boolean {
    const flags = typeof clientId === 'string' ? this.flags.get(clientId) : undefined;
    return isObject(flags) && isTruthy(flags.supports_preview_metadata);
  }

  sendPreview(jpeg: Buffer, clientId: Json | undefined): void {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(PREVIEW, 0);
    head.writeUInt32BE(JPEG, 4);
    this.sendBinary(Buffer.concat([head, jpeg]), clientId);
  }

  sendPreviewWithMetadata(jpeg: Buffer, metadata: Writable, clientId: Json | undefined): void {
    const json = Buffer.from(writeJson(metadata));
    const head = Buffer.alloc(8);
    head.writeUInt32BE(PREVIEW_WITH_METADATA, 0);
    head.writeUInt32BE(json.length, 4);
    this.sendBinary(Buffer.concat([head, json, jpeg]), clientId);
  }

  sendText(node: string, text: string): void {
    const id = Buffer.from(node);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(TEXT, 0);
    head.writeUInt32BE(id.length, 4);
    this.sendBinary(Buffer.concat([head, id, Buffer.from(text)]), undefined);
  }

  /** Cuts every connection without a closing handshake, as a dying server does. */
  terminate(): void {
    this.flush();
    for (const socket of this.all) socket.terminate();
  }

  /** Writes all pending frames now, because the process may crash next. */
  flush(): void {
    for (const connection of this.corked) connection.uncork();
    this.corked.clear();
  }

  private sendBinary(bytes: Buffer, clientId: Json | undefined): void {
    if (this.source.isSilent()) return;
    const client = clientId === undefined ? undefined : this.clientOf(clientId);
    if (clientId === undefined) for (const each of this.clients.values()) this.write(each, bytes);
    else if (client !== undefined) this.write(client, bytes);
  }

  private sendTo(clientId: Json, type: string, data: Writable): void {
    const client = this.clientOf(clientId);
    if (!this.source.isSilent() && client !== undefined) this.write(client, writeJson({ type, data }));
  }

  /** Joins the frames of one tick into one write, which saves system calls and wake-ups of the client. */
  private write({ socket, connection }: Client, frame: string | Buffer): void {
    if (this.corked.size === 0) process.nextTick(() => this.flush());
    if (!this.corked.has(connection)) connection.cork();
    this.corked.add(connection);
    socket.send(frame);
  }

  private clientOf(clientId: Json | undefined): Client | undefined {
    return typeof clientId === 'string' ? this.clients.get(clientId) : undefined;
  }
}

function readMessage(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
