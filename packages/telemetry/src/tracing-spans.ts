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
  /** `internal` by default. */
  readonly kind?: 'internal' | 'client' | 'producer' | 'consumer';
  readonly attributes?: Attributes;
  /** Whether an error of the work is a failure; by default every error is. */
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
 * Does the work in its own span, if it is part of a trace. Only requests start traces: background tasks, such as
 * probing an instance, have no spans.
 */
export function inSpan<T>(
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

/** Adds a span from `start` (ms since 1970) until now, if there is a trace. */
export function pastSpan(name: string, start: number, { kind = 'internal', attributes = {} }: SpanFacts): void {
  if (trace.getActiveSpan() === undefined) return;
  // Another machine's clock may be ahead of ours.
  const end = Math.max(start, Date.now());
  tracer().startSpan(name, { kind: KINDS[kind], attributes, startTime: start }).end(end);
}

/** Sets attributes of the current span, if there is one. */
export function setSpanAttributes(attributes: Attributes): void {
  trace.getActiveSpan()?.setAttributes(attributes);
}

/** Adds an event to the current span, if there is one. */
export function addSpanEvent(name: string, attributes?: Attributes): void {
  trace.getActiveSpan()?.addEvent(name, attributes);
}

/** Marks the current span as failed, if there is one. */
function markSpanFailed(type: string): void {
  const span = trace.getActiveSpan();
  if (span !== undefined) markFailed(span, type);
}

/** Only with a code, because the text of an error may quote a prompt. */
function markFailed(span: Span, type: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function typeOf(error: unknown): string {
  if (error instanceof FleetError) return error.code;
  return error instanceof Error ? error.name : '_OTHER';
}

/** The current position in the trace as a W3C `traceparent`; undefined without a trace. */
export function traceparentNow(): string | undefined {
  return traceHeaders().traceparent;
}

/** Headers that tell the receiver of a request which trace it belongs to; empty without a trace. */
export function traceHeaders(): Readonly<Record<string, string>> {
  if (trace.getActiveSpan() === undefined) return NO_HEADERS;
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

const NO_HEADERS: Readonly<Record<string, string>> = {};

/** Does the work as part of a trace that another process recorded; unchanged if there is none or it is invalid. */
export function inTraceOf<T>(traceparent: string | null, work: () => T): T {
  return traceparent === null ? work() : context.with(contextOf({ traceparent }), work);
}

/** The trace that headers name; an empty context if they name none. */
function contextOf(headers: object): Context {
  return propagation.extract(ROOT_CONTEXT, headers);
}

/** Binds the function to the current trace. */
export function inThisTrace<F extends (...args: never[]) => unknown>(work: F): F {
  return context.bind(context.active(), work);
}

/** The trace's ids for log lines; undefined outside of a trace. */
export function traceIds(): { readonly trace_id: string; readonly span_id: string } | undefined {
  const ids = trace.getActiveSpan()?.spanContext();
  return ids === undefined ? undefined : { trace_id: ids.traceId, span_id: ids.spanId };
}

/** The methods that OpenTelemetry knows; others would create arbitrary names of spans. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

/**
 * Gives each request a span in the trace of its `traceparent`, or in a new one. Paths in `untraced` have none. Omits
 * the query, which may contain a signature.
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

/** Names the request's span after its route. */
export function nameSpanByRoute(method: string, route: string): void {
  const span = trace.getActiveSpan();
  if (span === undefined) return;
  span.updateName(`${METHODS.has(method) ? method : 'HTTP'} ${route}`);
  setSpanAttributes({ 'http.route': route });
}

/** Records the error that answers the request; the span has failed if we are at fault. */
export function recordProblem({ code, status }: FleetError): void {
  if (status >= 500) markSpanFailed(code);
  else setSpanAttributes({ 'error.type': code });
}

export interface TracedCall {
  /** Name of the span, the same for every such call. */
  readonly name: string;
  readonly method: string;
  /** The span only shows its host and port, because path and query may be secret. */
  readonly url: string;
  readonly attributes?: Attributes;
}

/** Makes an HTTP call in its own span, if it is part of a trace. A status of 400 or more is the span's error. */
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
    setSpanAttributes({ 'http.response.status_code': answer.status });
    if (answer.status >= 400) markSpanFailed(`${answer.status}`);
    return answer;
  });
}
