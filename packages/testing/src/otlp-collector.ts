import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './lifecycle.js';

/** A span as it was sent. */
export interface CollectedSpan {
  /** `service.name` of the process that sent it. */
  readonly service: string;
  readonly name: string;
  /** In OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  /** ns since 1970. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
  /** In OTLP: 0 unset, 2 error. */
  readonly status: number;
}

/** A collector of traces that accepts OTLP over HTTP, in JSON, and keeps everything. */
export interface OtlpCollector {
  /** The value for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** In the order of arrival. */
  readonly spans: readonly CollectedSpan[];
  /** All received bodies, concatenated. */
  readonly text: string;
  /** The spans of the trace, once `isWhole` accepts them. */
  trace(traceId: string, isWhole: (spans: readonly CollectedSpan[]) => boolean): Promise<readonly CollectedSpan[]>;
  close(): Promise<void>;
}

/** On a free port of 127.0.0.1. With `hang` it accepts connections and never answers. */
export async function startOtlpCollector({ hang = false } = {}): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = [];
  let text = '';
  const server = createServer(async (request, response) => {
    if (hang) return;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    text += body;
    const isTraces = request.method === 'POST' && request.url === '/v1/traces';
    if (isTraces) spans.push(...read(JSON.parse(body) as Export));
    response.writeHead(isTraces ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    get text() {
      return text;
    },
    trace: (traceId, isWhole) => {
      const found = () => spans.filter((span) => span.traceId === traceId);
      return until(`trace ${traceId} is whole`, () => (isWhole(found()) ? found() : undefined)).catch((error) => {
        throw new Error(`${String(error)}; there are: ${JSON.stringify(found().map(({ name }) => name))}`);
      });
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Value {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
}
type Values = readonly { readonly key: string; readonly value: Value }[];

interface SentSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: Values;
  readonly events?: readonly { readonly name: string; readonly attributes?: Values }[];
  readonly status?: { readonly code?: number };
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Values };
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[];
  }[];
}

function read({ resourceSpans }: Export): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(toObject(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => toSpan(service, span)));
  });
}

function toSpan(service: string, sent: SentSpan): CollectedSpan {
  const { name, kind, traceId, spanId, parentSpanId = '' } = sent;
  return {
    service,
    name,
    kind,
    traceId,
    spanId,
    parentSpanId,
    start: BigInt(sent.startTimeUnixNano),
    end: BigInt(sent.endTimeUnixNano),
    attributes: toObject(sent.attributes),
    events: (sent.events ?? []).map((event) => ({ name: event.name, attributes: toObject(event.attributes) })),
    status: sent.status?.code ?? 0,
  };
}

function toObject(values: Values = []): Record<string, unknown> {
  return Object.fromEntries(
    values.map(({ key, value }) => [key, value.stringValue ?? value.boolValue ?? value.intValue ?? value.doubleValue]),
  );
}
