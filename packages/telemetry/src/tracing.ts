import type { SdkOptions } from './tracing-sdk.js';

/** Longest wait for the last spans to be sent; a collector that is away is not waited for. */
const FLUSH_MS = 2_000;

export interface TracingOptions extends Omit<SdkOptions, 'endpoint'> {
  /** As the SDK's; undefined: nothing is traced. */
  readonly endpoint: string | undefined;
}

export interface Tracing {
  readonly isOn: boolean;
  /** Sends what has not been sent yet, for at most FLUSH_MS. Never rejects. */
  close(): Promise<void>;
}

/**
 * Has the spans of this process sent to a collector. OpenTelemetry's API is one per process by its own design: until
 * this is called, and without an endpoint, everything in tracing-spans.ts does nothing, and the SDK is not even loaded.
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
