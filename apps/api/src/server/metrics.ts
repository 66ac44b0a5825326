import { HTTP_BUCKETS, type Metrics } from '@comfy-fleet/telemetry';

/** Tells of one answered request: its status and the seconds it took. */
export type Answered = (status: number, seconds: number) => void;

/** What the API counts and measures. */
export interface ApiInstruments {
  /** Whose labels are looked up once: it is called for every request. `route` is the template of its path. */
  answered(method: string, route: string): Answered;
  /** Requests whose answer is not through; to be counted up and down by whoever serves them. */
  readonly underWay: { requests: number };
  refused(code: string): void;
  readonly streams: { inc(): void; dec(): void };
}

/** What else callers write there is `other`, or they could make as many time series as they like. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export function createInstruments(metrics: Metrics): ApiInstruments {
  const requests = metrics.histogram({
    name: 'http_request_seconds',
    help:
      'From the head of a request until its answer is through or its caller gone, waiting and event streams included. ' +
      'route is the template of its path, none where nothing is. status 499: the caller was gone before there was one.',
    labels: ['method', 'route', 'status'],
    buckets: HTTP_BUCKETS,
  });
  const inFlight = metrics.gauge({
    name: 'http_in_flight',
    help: 'Requests that came and whose answer is not through, waiting ones and event streams included.',
  });
  const errors = metrics.counter({
    name: 'http_errors_total',
    help: 'Requests that were answered with an error, by its code.',
    labels: ['code'],
  });
  const streams = metrics.gauge({ name: 'event_streams', help: 'Event streams that are open.' });
  const underWay = { requests: 0 };
  metrics.beforeScrape(() => inFlight.set(underWay.requests));
  return {
    answered: (method, route) => {
      const byStatus = new Map<number, { observe(seconds: number): void }>();
      const labels = { method: METHODS.includes(method) ? method : 'other', route };
      return (status, seconds) => {
        let child = byStatus.get(status);
        if (child === undefined) {
          child = requests.labels({ ...labels, status: `${status}` });
          byStatus.set(status, child);
        }
        child.observe(seconds);
      };
    },
    underWay,
    refused: (code) => errors.inc({ code }),
    streams: { inc: () => streams.inc(), dec: () => streams.dec() },
  };
}
