import { hostname } from 'node:os';
import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Logger } from './logger.js';

/** A missing collector causes an error every few seconds; it is logged once in this time. */
const REPEAT_MS = 60_000;

export interface SdkOptions {
  /** The service's name; `service.name` is this after `comfy-fleet-`, unless OTEL_SERVICE_NAME is set. */
  readonly service: string;
  /** The address for OTLP over HTTP, without `/v1/traces`. */
  readonly endpoint: string;
  readonly log: Logger;
}

/**
 * Registers the SDK for the process; answers a function that shuts it down. Sampling, batching, headers and the
 * resource's attributes follow OpenTelemetry's own environment variables, which the SDK reads itself.
 */
export function startSdk({ service, endpoint, log }: SdkOptions): () => Promise<void> {
  diag.setLogger(quietly(log), DiagLogLevel.WARN);
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(
        resourceFromAttributes({
          'service.name': `comfy-fleet-${service}`,
          'service.instance.id': `${hostname()}-${process.pid}`,
        }),
      )
      .merge(detectResources({ detectors: [envDetector] })),
    // Spans that do not fit into its queue are dropped, so nothing ever waits for the collector.
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${withoutSlash(endpoint)}/v1/traces` }))],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  return async () => {
    for (const api of [trace, context, propagation]) api.disable();
    await provider.shutdown();
    diag.disable();
  };
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

function quietly(log: Logger) {
  let loggedAt = Number.NEGATIVE_INFINITY;
  const report = (message: string) => {
    if (performance.now() < loggedAt + REPEAT_MS) return;
    loggedAt = performance.now();
    log.warn('tracing has failed; spans may be lost', { error: message });
  };
  const nothing = () => {};
  return { error: report, warn: report, info: nothing, debug: nothing, verbose: nothing };
}
