import type { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { callInSpan } from '@comfy-fleet/telemetry';
import { bodyStream, readText } from './body-stream.js';
import { type HttpRequest, openConnections } from './connections.js';
import { type Deadline, startDeadline } from './deadline.js';
import { CredentialsRefused, connectionError, InstanceUnreachable, isRefusal, timedOut, tooSlow } from './errors.js';
import { parseAnswer } from './json.js';

/** /object_info of an installation full of custom nodes is some 10 MB; a queue of a thousand large graphs is larger. */
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
 * HTTP to one instance. Any status is an answer, except refused credentials, which are thrown as CredentialsRefused.
 * Without an answer it throws a FleetError, or the reason when the caller aborts.
 */
export interface Http {
  request(request: HttpRequest): Promise<HttpAnswer>;
  /**
   * The deadline applies to the headers and then to each piece of the body, which must not be too slow as a whole. 403
   * is an answer here, because ComfyUI uses it for a file outside its folders.
   */
  stream(request: HttpRequest): Promise<HttpStream>;
  /** Closes idle connections. */
  close(): void;
}

export function createHttp(options: {
  baseUrl: string;
  instance: string;
  /** Headers of every request. */
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

  /** Ends the deadline when the work fails, and converts the error. */
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

/** Statuses of a proxy in front of a missing ComfyUI; ComfyUI's own failures are 500. */
const GATEWAY = new Set([502, 503, 504]);

/** The error for an unexpected status. `what` names the request, such as `GET /queue`. */
export function unexpectedStatus(instance: string, what: string, status: number): FleetError {
  const detail = `The ComfyUI instance ${instance} answered ${status} to ${what}.`;
  if (GATEWAY.has(status)) return new InstanceUnreachable(detail, { mayHaveArrived: true });
  return new FleetError('comfyui_error', detail);
}

/**
 * Reads the body of a 200; `read` answers undefined for an unknown shape. Throws instance_unreachable for 502 to 504,
 * comfyui_error for any other status, for invalid JSON and for another shape.
 */
export function readAnswer<T>(
  instance: string,
  what: string,
  { status, text }: HttpAnswer,
  read: (body: unknown) => T | undefined,
): T {
  if (status !== 200) throw unexpectedStatus(instance, what, status);
  let body: unknown;
  try {
    body = parseAnswer(text);
  } catch (cause) {
    throw new FleetError('comfyui_error', `The ComfyUI instance ${instance} did not answer in JSON to ${what}.`, {
      cause,
    });
  }
  const value = read(body);
  if (value !== undefined) return value;
  throw new FleetError('comfyui_error', `The ComfyUI instance ${instance} gave an unknown answer to ${what}.`);
}
