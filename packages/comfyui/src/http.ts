import { Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import { urlToHttpOptions } from 'node:url';
import { FleetError } from '@comfy-fleet/contracts';
import { callInSpan, traceHeaders } from '@comfy-fleet/telemetry';
import { bodyStream } from './body-stream.js';
import { connectionError, timedOut } from './connection-errors.js';
import { type Deadline, startDeadline } from './deadline.js';
import { CredentialsRefused, isRefusal } from './errors.js';
import { bodyOf, ENCODINGS, exchange, readText } from './exchange.js';

/** /object_info of an installation full of custom nodes is some 10 MB; a queue of a thousand large graphs more. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Bounds idle connections well below the keep-alive times of servers and proxies, which would reset a reused one. */
const IDLE_SOCKET_MS = 10_000;
const AGENT = { keepAlive: true, maxSockets: 16, maxFreeSockets: 16, timeout: IDLE_SOCKET_MS };
/** What some proxies refuse a request without. */
const USUAL_HEADERS = { Accept: 'application/json, text/plain, */*', 'User-Agent': 'comfy-fleet' };

interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Without the base URL; path segments and query already encoded. */
  readonly path: string;
  /** It is worth a span, where there is a trace: what is asked again and again would bury the rest. */
  readonly isTraced?: boolean;
  readonly signal: AbortSignal;
  /** A stream's length has to be among the headers. */
  readonly body?: string | NodeJS.ReadableStream;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

interface HttpStream {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly body: Readable;
}

/**
 * HTTP to one instance. Any status is an answer, but those that do not let us in are thrown as CredentialsRefused; no
 * answer is thrown as FleetError, the caller's abort as its reason.
 */
export interface Http {
  request(request: HttpRequest): Promise<HttpAnswer>;
  /**
   * The deadline holds for the headers and then between two pieces of the body. 403 is an answer here: ComfyUI says it of
   * a file outside its folders.
   */
  stream(request: HttpRequest): Promise<HttpStream>;
  /** Closes idle connections. */
  close(): void;
}

export function createHttp(options: {
  baseUrl: string;
  instance: string;
  /** With every request. */
  headers?: Readonly<Record<string, string>> | undefined;
  timeoutMs: number;
}): Http {
  const { instance, timeoutMs, headers: ownHeaders = {} } = options;
  const hasHeaders = Object.keys(ownHeaders).length > 0;
  const base = options.baseUrl.replace(/\/+$/, '');
  const place = urlToHttpOptions(new URL(base));
  const basePath = new URL(base).pathname.replace(/\/$/, '');
  const agent = place.protocol === 'https:' ? new HttpsAgent(AGENT) : new HttpAgent(AGENT);

  const failure = (deadline: Deadline, caller: AbortSignal, error: unknown): Error => {
    if (deadline.expired) return timedOut(instance, timeoutMs);
    if (caller.aborted) return caller.reason instanceof Error ? caller.reason : new Error(String(caller.reason));
    return connectionError(instance, error);
  };

  /** Ends the deadline when the work fails, and throws what that means. */
  const within = async <T>(deadline: Deadline, caller: AbortSignal, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      deadline.end();
      if (!deadline.expired) caller.throwIfAborted();
      throw failure(deadline, caller, error);
    }
  };

  const send = ({ method, path, body, headers }: HttpRequest, encodings: string, deadline: Deadline) => {
    // an upload may take long as a whole, but it must go on
    if (typeof body === 'object') body.on('data', () => deadline.restart());
    return exchange({
      place,
      agent,
      method,
      path: basePath + path,
      headers: { ...USUAL_HEADERS, 'Accept-Encoding': encodings, ...ownHeaders, ...headers, ...traceHeaders() },
      body,
      signal: deadline.signal,
    });
  };

  const inSpan = async <A extends { readonly status: number }>(request: HttpRequest, ask: () => Promise<A>) => {
    const { method, isTraced, path: asked } = request;
    if (isTraced !== true) return ask();
    const path = asked.split('?', 1)[0] ?? '';
    const attributes = { 'url.template': path, 'comfy_fleet.instance': instance };
    return callInSpan({ name: `${method} ${path}`, method, url: base, attributes }, ask);
  };

  const request = async (request: HttpRequest): Promise<HttpAnswer> => {
    request.signal.throwIfAborted();
    const deadline = startDeadline(request.signal, timeoutMs);
    const { status, text } = await within(deadline, request.signal, async () => {
      const response = await send(request, ENCODINGS, deadline);
      return { status: statusOf(response), text: await readText(bodyOf(response), MAX_ANSWER_BYTES) };
    });
    deadline.end();
    if (isRefusal(status)) throw new CredentialsRefused(instance, status, hasHeaders);
    if (text === undefined) {
      throw new FleetError('comfyui_error', `The ComfyUI instance ${instance} answered more than can be taken.`);
    }
    return { status, text };
  };

  const stream = async (request: HttpRequest): Promise<HttpStream> => {
    request.signal.throwIfAborted();
    const deadline = startDeadline(request.signal, timeoutMs);
    const response = await within(deadline, request.signal, () => send(request, 'identity', deadline));
    const status = statusOf(response);
    if (status === 401) {
      deadline.end();
      response.destroy();
      throw new CredentialsRefused(instance, status, hasHeaders);
    }
    const header = (name: string) => {
      const value = response.headers[name];
      return typeof value === 'string' ? value : undefined;
    };
    const body = bodyStream(bodyOf(response), deadline, (error) => failure(deadline, request.signal, error));
    return { status, header, body };
  };

  return {
    request: (asked) => inSpan(asked, () => request(asked)),
    stream: (asked) => inSpan(asked, () => stream(asked)),
    close: () => agent.destroy(),
  };
}

/** Node's type is that of requests too, which have none. */
function statusOf({ statusCode = 0 }: IncomingMessage): number {
  return statusCode;
}
