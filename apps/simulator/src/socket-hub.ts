import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { isObject, isTruthy, type Json, parseJson, type Writable, writeJson } from './python.js';

const PREVIEW = 1;
const TEXT = 3;
const PREVIEW_WITH_METADATA = 4;
const JPEG = 1;

/** What the hub asks the server when somebody connects. */
export interface HubSource {
  queueInfo(): Writable;
  features(): Writable;
  /** The node under way, if the running prompt belongs to this client. */
  currentNode(clientId: string): string | undefined;
  /** While true, nothing is sent to anybody. */
  isSilent(): boolean;
}

interface Client {
  readonly socket: WebSocket;
  /** What the socket writes to. */
  readonly connection: Duplex;
}

/**
 * The open sockets by client id. Two sockets of one id behave as ComfyUI's do: the newer takes over, and when either of
 * them closes the id is forgotten, so the newer goes silent with the older one's end.
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
    // An error is always followed by `close`, and a client that breaks off is nothing to report.
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

  /** To one client, or to everybody when there is no client id. */
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

  /** Whether a preview would reach anybody: drawing one costs something. */
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

  /** What was sent goes out now: for before a crash. */
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

  /** Frames of one moment go out in one write: each is a system call, and wakes whoever listens. */
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
