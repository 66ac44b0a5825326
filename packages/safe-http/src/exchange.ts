import http, { type ClientRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http';
import https, { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { areTooSmall, FleetError } from '@comfy-fleet/contracts';
import type { AxiosRequestConfig, AxiosResponse } from 'axios';
import axios from 'axios';

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly lookup: LookupFunction;
  /** Default: a connection for this request alone. */
  readonly connections?: Connections | undefined;
  readonly signal: AbortSignal;
}

/**
 * Connections that the requests of one download share. Each was checked when it was dialled, and is only used for
 * requests to the same host and port, which are checked again by their URL.
 */
export class Connections {
  readonly #agents = new Map<string, HttpAgent>();

  agentFor({ protocol, host }: URL, lookup: LookupFunction): HttpAgent {
    const origin = `${protocol}//${host}`;
    const agent = this.#agents.get(origin) ?? newAgent(protocol, { keepAlive: true, lookup });
    this.#agents.set(origin, agent);
    return agent;
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}

function newAgent(
  protocol: string,
  options: { readonly keepAlive: boolean; readonly lookup: LookupFunction },
): HttpAgent {
  // `rejectUnauthorized` is explicit, because an environment variable can turn it off.
  return protocol === 'https:' ? new HttpsAgent({ ...options, rejectUnauthorized: true }) : new HttpAgent(options);
}

export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
  /** The raw body, never decompressed. The owner reads it to its end or destroys it, which closes the connection. */
  readonly body: Readable;
}

/**
 * Sends one request and answers the head of its response, whatever the status; a redirect is a response too. Throws
 * url_unreachable, or the refusal of `lookup`. Without `connections` the connection is only used for this request,
 * because a kept one would not be looked up and checked again.
 */
export async function exchange(question: Question): Promise<Answer> {
  const { method, url, headers, body, lookup, connections, signal } = question;
  const agent = connections?.agentFor(url, lookup) ?? newAgent(url.protocol, { keepAlive: false, lookup });
  const config: AxiosRequestConfig = {
    method,
    url: url.href,
    headers: { 'User-Agent': 'comfy-fleet', 'Accept-Encoding': 'identity', ...headers },
    httpAgent: agent,
    httpsAgent: agent,
    signal,
    transport: transportOf(url.protocol === 'https:' ? https : http),
    responseType: 'stream',
    // A proxy of the environment would dial in our place.
    proxy: false,
    maxRedirects: 0,
    decompress: false,
    validateStatus: () => true,
  };
  // As bytes, because axios trims JSON text, and the body would differ from what was signed.
  if (body !== undefined) config.data = Buffer.from(body);
  try {
    const answer: AxiosResponse<Readable> = await axios.request<Readable>(config);
    const header = (name: string) => {
      const value: unknown = answer.headers[name];
      return typeof value === 'string' ? value : undefined;
    };
    refuseSmallChunks(answer.data);
    return { status: answer.status, header, body: answer.data };
  } catch (error) {
    throw failureOf(error);
  }
}

/** As many informational responses (1xx) before the real one are too many. Servers send one or two. */
const MOST_INFORMATIONAL = 10;

/** Requests as axios makes them, but each ends at too many informational responses, which nothing else limits. */
function transportOf({ request }: Pick<typeof http, 'request'>) {
  return {
    request: (options: http.RequestOptions, respond: (response: IncomingMessage) => void): ClientRequest => {
      const asked = request(options, respond);
      let count = 0;
      return asked.on('information', () => {
        count += 1;
        if (count === MOST_INFORMATIONAL) asked.destroy(unreachable('The host of the URL sends too many responses.'));
      });
    },
  };
}

/** Destroys a body that arrives in very small chunks. Its reader may see several as one. */
function refuseSmallChunks(body: Readable): void {
  let [chunks, bytes] = [0, 0];
  const push = body.push.bind(body);
  body.push = (chunk: Buffer | null) => {
    chunks += 1;
    bytes += chunk?.length ?? 0;
    if (!areTooSmall(chunks, bytes)) return push(chunk);
    body.destroy(unreachable('The host of the URL sends its content in very small chunks.'));
    return false;
  };
}

export function notAllowed(detail: string): FleetError {
  return new FleetError('url_not_allowed', detail);
}

export function unreachable(detail: string, cause?: unknown): FleetError {
  return new FleetError('url_unreachable', detail, { cause });
}

/**
 * Converts an error of axios or a socket to one of the catalogue. Whoever supplied the URL sees the detail, so it never
 * has the addresses of Node's messages.
 */
function failureOf(error: unknown): FleetError {
  const chain = [...causes(error)];
  const ours = chain.find((link) => link instanceof FleetError);
  if (ours !== undefined) return ours;
  const read = (key: 'code' | 'syscall' | 'message') =>
    chain
      .map((link) => (link as Error & { code?: unknown; syscall?: unknown })[key])
      .find((value) => typeof value === 'string') as string | undefined;
  const code = read('code') ?? '';
  // Without axios's request and agent, so that it fits into a log.
  const cause = Object.assign(new Error(read('message') ?? ''), { code });
  return unreachable(phrase(code, read('syscall') ?? ''), cause);
}

function* causes(error: unknown): Generator<Error> {
  for (let link = error; link instanceof Error; link = link.cause) yield link;
}

function phrase(code: string, syscall: string): string {
  if (/^(query|getaddrinfo)/.test(syscall)) return 'The host name of the URL cannot be resolved.';
  if (code === 'ECONNREFUSED') return 'The host of the URL refuses the connection.';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'The host of the URL broke off the connection.';
  if (code === 'HPE_HEADER_OVERFLOW') return 'The host of the URL sends too many headers.';
  if (code.startsWith('HPE_')) return 'The host of the URL does not speak HTTP.';
  if (/CERT|ISSUER|VERIFY/.test(code))
    return `The host of the URL has no TLS certificate that can be trusted (${code}).`;
  if (/^EPROTO|SSL|TLS/.test(code)) return `The host of the URL does not speak TLS correctly (${code}).`;
  return `The host of the URL cannot be reached${code === '' ? '' : ` (${code})`}.`;
}

/** Reads the whole body. Throws url_unreachable as soon as it exceeds `maxBytes`, or when it breaks off. */
export async function readWhole(body: Readable, maxBytes: number): Promise<Buffer> {
  const { data, rest } = await readSome(body, maxBytes);
  if (rest === 'none') return data;
  throw rest === 'more' ? unreachable(`The URL leads to more than ${maxBytes} bytes.`) : failureOf(rest.broken);
}

/** Reads the body piece by piece. Throws url_unreachable as soon as it exceeds `maxBytes`, or when it breaks off. */
export async function* pieces(body: Readable, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  const iterator = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await iterator.next().catch((error: unknown) => {
      throw failureOf(error);
    });
    // A body that was destroyed before it was read ends without an error.
    if (done === true && !body.readableEnded) throw unreachable('The host of the URL broke off the connection.');
    if (done === true) return;
    bytes += value.length;
    if (bytes > maxBytes) throw unreachable(`The URL leads to more than ${maxBytes} bytes.`);
    yield value;
  }
}

/** Reads the first bytes of the body, at most `maxBytes`, or those that arrived before it broke off. */
export async function readStart(body: Readable, maxBytes: number): Promise<Buffer> {
  const { data } = await readSome(body, maxBytes);
  return data;
}

async function readSome(
  body: Readable,
  maxBytes: number,
): Promise<{ data: Buffer; rest: 'none' | 'more' | { broken: unknown } }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const data = () => Buffer.concat(chunks).subarray(0, maxBytes);
  try {
    // Leaving the loop destroys the stream, and with it the connection.
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) return { data: data(), rest: 'more' };
    }
    return { data: data(), rest: 'none' };
  } catch (broken) {
    return { data: data(), rest: { broken } };
  }
}
