import { type Attributes, trace } from '@opentelemetry/api';
import { inSpan, noteFacts, noteFailure } from './tracing-spans.js';

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
