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

export const tracer = () => trace.getTracer('comfy-fleet');

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
export function noteFailure(type: string): void {
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
export function contextOf(headers: object): Context {
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
