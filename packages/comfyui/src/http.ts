import type { Readable } from 'node:stream';
import { callInSpan } from '@comfy-fleet/telemetry';
import { bodyStream, readText } from './body-stream.js';
import { connectionError, timedOut, tooSlow } from './connection-errors.js';
import { type HttpRequest, openConnections } from './connections.js';
import { type Deadline, startDeadline } from './deadline.js';
import { CredentialsRefused, isRefusal } from './errors.js';

/** /object_info of an installation full of custom nodes is some 10 MB; a queue of a thousand large graphs more. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

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
   * The deadline holds for the headers and then between two pieces of the body, which must not come too slowly on the
   * whole. 403 is an answer here: ComfyUI says it of
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
  const { baseUrl, instance, timeoutMs, headers = {} } = options;
  const hasHeaders = Object.keys(headers).length > 0;
  const connections = openConnections({ baseUrl, headers, timeoutMs });

  const failure = (deadline: Deadline, caller: AbortSignal, error: unknown): Error => {
    const expired = deadline.expired();
    if (expired !== undefined) return expired === 'slow' ? tooSlow(instance) : timedOut(instance, timeoutMs);
    if (caller.aborted) return caller.reason instanceof Error ? caller.reason : new Error(String(caller.reason));
    return connectionError(instance, error);
  };

  /** Ends the deadline when the work fails, and throws what that means. */
  const within = async <T>(deadline: Deadline, caller: AbortSignal, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      deadline.end();
      if (deadline.expired() === undefined) caller.throwIfAborted();
      throw failure(deadline, caller, error);
    }
  };

  const inSpan = async <A extends { readonly status: number }>(request: HttpRequest, ask: () => Promise<A>) => {
    const { method, isTraced, path: asked } = request;
    if (isTraced !== true) return ask();
    const path = asked.split('?', 1)[0] ?? '';
    const attributes = { 'url.template': path, 'comfy_fleet.instance': instance };
    return callInSpan({ name: `${method} ${path}`, method, url: baseUrl, attributes }, ask);
  };

  const request = async (request: HttpRequest): Promise<HttpAnswer> => {
    request.signal.throwIfAborted();
    const deadline = startDeadline(request.signal, timeoutMs);
    const { status, text } = await within(deadline, request.signal, async () => {
      const { statusCode, body } = await connections.send(request, deadline);
      return { status: statusCode, text: await readText(body, MAX_ANSWER_BYTES) };
    });
    deadline.end();
    if (isRefusal(status)) throw new CredentialsRefused(instance, status, hasHeaders);
    return { status, text };
  };

  const stream = async (request: HttpRequest): Promise<HttpStream> => {
    request.signal.throwIfAborted();
    const deadline = startDeadline(request.signal, timeoutMs);
    const answer = await within(deadline, request.signal, () => connections.send(request, deadline));
    const { statusCode: status, headers } = answer;
    const body = bodyStream(answer.body, deadline, (error) => failure(deadline, request.signal, error));
    if (status === 401) {
      body.destroy();
      throw new CredentialsRefused(instance, status, hasHeaders);
    }
    const header = (name: string) => {
      const value = headers[name];
      return typeof value === 'string' ? value : undefined;
    };
    return { status, header, body };
  };

  return {
    request: (asked) => inSpan(asked, () => request(asked)),
    stream: (asked) => inSpan(asked, () => stream(asked)),
    close: () => connections.close(),
  };
}
