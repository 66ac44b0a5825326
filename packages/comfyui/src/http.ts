import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import { callInSpan, traceHeaders } from '@comfy-fleet/telemetry';
import axios, { type AxiosRequestConfig, type AxiosResponse } from 'axios';
import FormData from 'form-data';
import { bodyStream } from './body-stream.js';
import { connectionError, timedOut } from './connection-errors.js';
import { type Deadline, startDeadline } from './deadline.js';
import { CredentialsRefused, isRefusal } from './errors.js';

/** /object_info of an installation full of custom nodes is some 10 MB; a queue of a thousand large graphs more. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Bounds idle connections well below the keep-alive times of servers and proxies, which would reset a reused one. */
const IDLE_SOCKET_MS = 10_000;
const AGENT = { keepAlive: true, maxSockets: 16, maxFreeSockets: 16, timeout: IDLE_SOCKET_MS };

interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Without the base URL; path segments and query already encoded. */
  readonly path: string;
  /** It is worth a span, where there is a trace: what is asked again and again would bury the rest. */
  readonly isTraced?: boolean;
  readonly signal: AbortSignal;
  readonly body?: string | FormData;
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
  const httpAgent = new HttpAgent(AGENT);
  const httpsAgent = new HttpsAgent(AGENT);
  const client = axios.create({
    httpAgent,
    httpsAgent,
    proxy: false,
    maxRedirects: 0,
    maxContentLength: MAX_ANSWER_BYTES,
    maxBodyLength: Number.POSITIVE_INFINITY,
    validateStatus: () => true,
    transformResponse: [(data: unknown) => data],
  });

  const failure = (deadline: Deadline, caller: AbortSignal, error: unknown): Error => {
    if (deadline.expired) return timedOut(instance, timeoutMs);
    if (caller.aborted) return caller.reason instanceof Error ? caller.reason : new Error(String(caller.reason));
    return connectionError(instance, error);
  };

  const send = async <T>(request: HttpRequest, deadline: Deadline, more: AxiosRequestConfig) => {
    const { method, path, body, headers } = request;
    request.signal.throwIfAborted();
    const config: AxiosRequestConfig = { method, url: base + path, signal: deadline.signal, ...more };
    if (body !== undefined) config.data = body;
    // an upload may take long as a whole, but it must go on
    if (body instanceof FormData) config.onUploadProgress = () => deadline.restart();
    config.headers = { ...ownHeaders, ...more.headers, ...headers, ...traceHeaders() };
    try {
      const answer: AxiosResponse<T> = await client.request<T>(config);
      return answer;
    } catch (error) {
      deadline.end();
      if (!deadline.expired) request.signal.throwIfAborted();
      throw failure(deadline, request.signal, error);
    }
  };

  const inSpan = async <A extends { readonly status: number }>(request: HttpRequest, ask: () => Promise<A>) => {
    const { method, isTraced, path: asked } = request;
    if (isTraced !== true) return ask();
    const path = asked.split('?', 1)[0] ?? '';
    const attributes = { 'url.template': path, 'comfy_fleet.instance': instance };
    return callInSpan({ name: `${method} ${path}`, method, url: base, attributes }, ask);
  };

  const request = async (request: HttpRequest): Promise<HttpAnswer> => {
    const deadline = startDeadline(request.signal, timeoutMs);
    const { status, data } = await send<string>(request, deadline, { responseType: 'text' });
    deadline.end();
    if (isRefusal(status)) throw new CredentialsRefused(instance, status, hasHeaders);
    return { status, text: data };
  };

  const stream = async (request: HttpRequest): Promise<HttpStream> => {
    const deadline = startDeadline(request.signal, timeoutMs);
    const { status, headers, data } = await send<Readable>(request, deadline, {
      responseType: 'stream',
      headers: { 'Accept-Encoding': 'identity' },
      maxContentLength: -1,
    });
    if (status === 401) {
      deadline.end();
      data.destroy();
      throw new CredentialsRefused(instance, status, hasHeaders);
    }
    const header = (name: string) => {
      const value = headers[name];
      return typeof value === 'string' ? value : undefined;
    };
    return { status, header, body: bodyStream(data, deadline, (error) => failure(deadline, request.signal, error)) };
  };

  return {
    request: (asked) => inSpan(asked, () => request(asked)),
    stream: (asked) => inSpan(asked, () => stream(asked)),
    close: () => {
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}
