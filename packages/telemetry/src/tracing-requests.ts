import type { RequestListener } from 'node:http';
import type { FleetError } from '@comfy-fleet/contracts';
import { context, SpanKind, trace } from '@opentelemetry/api';
import { contextOf, noteFacts, noteFailure, tracer } from './tracing-spans.js';

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
