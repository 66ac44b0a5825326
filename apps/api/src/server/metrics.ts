import { HTTP_BUCKETS, type Metrics } from '@comfy-fleet/telemetry';

/** Others count as `other`, or callers could make as many time series as they like. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export type ApiInstruments = ReturnType<typeof createInstruments>;

/** What the API counts and measures. */
export function createInstruments(metrics: Metrics) {
  const requests = metrics.histogram({
    name: 'http_request_seconds',
    help:
      'From the head of a request until its answer is through or its caller gone, waiting and event streams included. ' +
      'route is the template of its path, none where nothing is. status 499: the caller was gone before there was one.',
    labels: ['method', 'route', 'status'],
    buckets: HTTP_BUCKETS,
  });
  const errors = metrics.counter({
    name: 'http_errors_total',
    help: 'Requests that were answered with an error, by its code.',
    labels: ['code'],
  });
  return {
    /** `route`: the template of the path. */
    answered: (method: string, route: string, status: number, seconds: number) =>
      requests.observe({ method: METHODS.includes(method) ? method : 'other', route, status }, seconds),
    refused: (code: string) => errors.inc({ code }),
    underWay: metrics.gauge({
      name: 'http_in_flight',
      help: 'Requests that came and whose answer is not through, waiting ones and event streams included.',
    }),
    streams: metrics.gauge({ name: 'event_streams', help: 'Event streams that are open.' }),
  };
}
