import type { SdkOptions } from './tracing-sdk.js';

/** How long to wait until the last spans are sent. */
const FLUSH_MS = 2_000;

export interface TracingOptions extends Omit<SdkOptions, 'endpoint'> {
  /** As for the SDK; undefined: nothing is traced. */
  readonly endpoint: string | undefined;
}

export interface Tracing {
  readonly isOn: boolean;
  /** Sends the remaining spans, for at most FLUSH_MS. Never rejects. */
  close(): Promise<void>;
}

/**
 * Starts sending this process's spans to a collector. OpenTelemetry's API is global to the process by design: until
 * this is called, and without an endpoint, everything in tracing-spans.ts does nothing, and the SDK is not loaded.
 */
export async function startTracing({ service, endpoint, log }: TracingOptions): Promise<Tracing> {
  if (endpoint === undefined) return { isOn: false, close: async () => {} };
  const { startSdk } = await import('./tracing-sdk.js');
  const shutdown = startSdk({ service, endpoint, log });
  return {
    isOn: true,
    close: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<string>((resolve) => {
        timer = setTimeout(resolve, FLUSH_MS, `not sent within ${FLUSH_MS} ms`);
      });
      const fault = await Promise.race([shutdown().then(() => undefined, String), late]);
      clearTimeout(timer);
      if (fault !== undefined) log.warn('the last spans are lost', { error: fault });
    },
  };
}
