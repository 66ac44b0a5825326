import { request } from 'node:http';
import WebSocket from 'ws';
import { type Json, type JsonObject, parseJson, writeJson } from '../src/python.js';

export interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly bytes: Buffer;
}

/** Sends one request byte for byte: the path is not normalised, and headers are sent as given. */
export function ask(
  url: string,
  method: string,
  path: string,
  body: Buffer | string = '',
  headers: Record<string, string> = {},
): Promise<Got> {
  const { hostname, port } = new URL(url);
  const length = method === 'GET' || method === 'HEAD' ? {} : { 'Content-Length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers: { ...length, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const got = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
        resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(got), bytes: Buffer.concat(chunks) });
      });
    });
    sent.on('error', reject);
    sent.end(method === 'GET' || method === 'HEAD' ? undefined : body);
  });
}

export async function askJson(url: string, method: string, path: string, body?: Json): Promise<JsonObject> {
  const { bytes } = await ask(url, method, path, body === undefined ? '' : writeJson(body));
  return parseJson(bytes.toString('utf8')) as JsonObject;
}

/** A socket that keeps every frame: text frames parsed, binary frames as bytes. */
export class Listener {
  readonly frames: (JsonObject | Buffer)[] = [];
  readonly socket: WebSocket;
  private readonly opened: Promise<void>;

  constructor(url: string, clientId: string, headers: Record<string, string> = {}) {
    const query = clientId === '' ? '' : `?clientId=${encodeURIComponent(clientId)}`;
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/ws${query}`, { headers });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
    });
    this.socket.on('message', (data, isBinary) => {
      this.frames.push(isBinary ? (data as Buffer) : (parseJson(String(data)) as JsonObject));
    });
  }

  /** Resolves when the connection is open and its first frame has arrived. */
  async open(): Promise<this> {
    await this.opened;
    await this.until(() => this.frames.length > 0);
    return this;
  }

  texts(type?: string): JsonObject[] {
    return this.frames.filter(
      (frame): frame is JsonObject => !Buffer.isBuffer(frame) && (type === undefined || frame.type === type),
    );
  }

  /** Waits for frames until `isEnough`. */
  async until(isEnough: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(60_000);
    while (!isEnough()) {
      await new Promise<void>((resolve, reject) => {
        const late = () => reject(new Error(`only these frames arrived: ${this.frames.map(shortly).join(' ')}`));
        deadline.addEventListener('abort', late, { once: true });
        this.socket.once('message', () => {
          deadline.removeEventListener('abort', late);
          resolve();
        });
      });
    }
  }

  /** Waits until the client of a prompt is notified of its end. */
  untilEndOf(promptId: string): Promise<void> {
    return this.until(() =>
      this.texts('executing').some(({ data }) => {
        const { node, prompt_id } = data as JsonObject;
        return node === null && prompt_id === promptId;
      }),
    );
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.close();
    await closed;
  }
}

export function shortly(frame: JsonObject | Buffer): string {
  return Buffer.isBuffer(frame) ? `binary:${frame.subarray(0, 8).toString('hex')}` : String(frame.type);
}
