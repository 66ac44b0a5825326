import type { RequestListener } from 'node:http';
import { FleetError } from '@comfy-fleet/contracts';
import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

export interface SpanFacts {
  /** `internal` unless told otherwise. */
  readonly kind?: 'internal' | 'client' | 'producer' | 'consumer';
  readonly attributes?: Attributes;
  /** Whether what the work rejected with is a fault; everything is unless told otherwise. */
  readonly isFault?: (error: unknown) => boolean;
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

const tracer = () => trace.getTracer('comfy-fleet');

/**
 * Does the work in a span of its own, if it is part of a trace. Only requests begin traces: what a process does by
 * itself, such as looking whether an instance is there, has no span.
 */
export async function inSpan<T>(
  name: string,
  { kind = 'internal', attributes = {}, isFault = () => true }: SpanFacts,
  work: () => Promise<T>,
): Promise<T> {
  if (trace.getActiveSpan() === undefined) return work();
  return tracer().startActiveSpan(name, { kind: KINDS[kind], attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      if (isFault(error)) markFailed(span, typeOf(error));
      else span.setAttribute('comfy_fleet.ended_by', typeOf(error));
      throw error;
    } finally {
      span.end();
    }
  });
}

/** A span from `start` (ms since 1970) until now, if there is a trace. */
export function pastSpan(name: string, start: number, { kind = 'internal', attributes = {} }: SpanFacts): void {
  if (trace.getActiveSpan() === undefined) return;
  // Another machine's clock may be ahead of ours.
  const end = Math.max(start, Date.now());
  tracer().startSpan(name, { kind: KINDS[kind], attributes, startTime: start }).end(end);
}

/** Says something of the span that is under way, if there is one. */
export function noteFacts(attributes: Attributes): void {
  trace.getActiveSpan()?.setAttributes(attributes);
}

/** Something happened in the span that is under way, if there is one. */
export function noteEvent(name: string, attributes?: Attributes): void {
  trace.getActiveSpan()?.addEvent(name, attributes);
}

/** The span that is under way failed, if there is one. */
function noteFailure(type: string): void {
  const span = trace.getActiveSpan();
  if (span !== undefined) markFailed(span, type);
}

/** By a code alone: the words of an error may quote a prompt. */
function markFailed(span: Span, type: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function typeOf(error: unknown): string {
  if (error instanceof FleetError) return error.code;
  return error instanceof Error ? error.name : '_OTHER';
}

/** Where the trace stands, as the `traceparent` of W3C says it; undefined when there is none. */
export function traceparentNow(): string | undefined {
  return traceHeaders().traceparent;
}

/** What shows the receiver of a request to which trace it belongs; nothing when there is none. */
export function traceHeaders(): Readonly<Record<string, string>> {
  if (trace.getActiveSpan() === undefined) return NO_HEADERS;
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

const NO_HEADERS: Readonly<Record<string, string>> = {};

/** Does the work as part of the trace that another process noted; as it is where none was, or it cannot be read. */
export function inTraceOf<T>(traceparent: string | null, work: () => T): T {
  return traceparent === null ? work() : context.with(contextOf({ traceparent }), work);
}

/** The trace that headers name; one without any when they name none. */
function contextOf(headers: object): Context {
  return propagation.extract(ROOT_CONTEXT, headers);
}

/** The function, to be called wherever, in the trace that is under way now. */
export function inThisTrace<F extends (...args: never[]) => unknown>(work: F): F {
  return context.bind(context.active(), work);
}

/** What log lines say of the trace they belong to; undefined outside of one. */
export function traceIds(): { readonly trace_id: string; readonly span_id: string } | undefined {
  const ids = trace.getActiveSpan()?.spanContext();
  return ids === undefined ? undefined : { trace_id: ids.traceId, span_id: ids.spanId };
}

/** The methods that OpenTelemetry knows; another one would make as many names of spans as callers think of. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

/**
 * Gives each request a span that goes on with the trace its `traceparent` names, or begins one. Requests for the paths
 * in `untraced` have none. A query is not shown: it may hold a signature.
 */
export function traceRequests(serve: RequestListener, untraced: ReadonlySet<string>): RequestListener {
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (untraced.has(path)) return serve(request, response);
    const { method = '', headers, httpVersion } = request;
    const isKnown = METHODS.has(method);
    const before = contextOf(headers);
    const attributes = {
      'http.request.method': isKnown ? method : '_OTHER',
      'url.path': path,
      'url.scheme': 'http',
      'network.protocol.version': httpVersion,
    };
    const span = tracer().startSpan(isKnown ? method : 'HTTP', { kind: SpanKind.SERVER, attributes }, before);
    response.once('close', () => {
      const { headersSent, statusCode } = response;
      if (headersSent) span.setAttribute('http.response.status_code', statusCode);
      span.end();
    });
    context.with(trace.setSpan(before, span), () => serve(request, response));
  };
}

/** Names the request's span after the route that serves it. */
export function noteRoute(method: string, route: string): void {
  const span = trace.getActiveSpan();
  if (span === undefined) return;
  span.updateName(`${METHODS.has(method) ? method : 'HTTP'} ${route}`);
  noteFacts({ 'http.route': route });
}

/** The answer to the request is an error: its code is on the span, which has failed if the fault is ours. */
export function noteProblem({ code, status }: FleetError): void {
  if (status >= 500) noteFailure(code);
  else noteFacts({ 'error.type': code });
}

export interface TracedCall {
  /** Of the span; with nothing in it that differs from call to call. */
  readonly name: string;
  readonly method: string;
  /** Of which the span shows the host and port alone: a path or a query may hold what is secret. */
  readonly url: string;
  readonly attributes?: Attributes;
}

/** Makes an HTTP call in a span of its own, if it is part of a trace. An answer of 400 or more is the span's error. */
export async function callInSpan<A extends { readonly status: number }>(
  { name, method, url, attributes = {} }: TracedCall,
  call: () => Promise<A>,
): Promise<A> {
  if (trace.getActiveSpan() === undefined) return call();
  const { protocol, hostname, port } = new URL(url);
  const scheme = protocol.slice(0, -1);
  const target = {
    'http.request.method': method,
    'server.address': hostname,
    'server.port': port === '' ? (scheme === 'https' ? 443 : 80) : Number(port),
    'url.scheme': scheme,
  };
  return inSpan(name, { kind: 'client', attributes: { ...target, ...attributes } }, async () => {
    const answer = await call();
    noteFacts({ 'http.response.status_code': answer.status });
    if (answer.status >= 400) noteFailure(`${answer.status}`);
    return answer;
  });
}
