export { every } from './every.js';
export { type HealthServer, type HealthServerOptions, startHealthServer } from './health-server.js';
export { createLogger, type LogFormat, type Logger, type LoggerOptions, type LogLevel } from './logger.js';
export {
  COLLECT_BUCKETS,
  type Counter,
  createMetrics,
  GAP_BUCKETS,
  type Gauge,
  type Histogram,
  HTTP_BUCKETS,
  type Metrics,
  RUN_BUCKETS,
  version,
  WAIT_BUCKETS,
  WEBHOOK_BUCKETS,
  WEBHOOK_LAG_BUCKETS,
} from './metrics.js';
export { watchRedis, whileRedisAnswers } from './redis-watch.js';
export { fail, type StopOptions, stopOnSignals } from './stop-signals.js';
export { startTracing, type Tracing } from './tracing.js';
export {
  addSpanEvent,
  callInSpan,
  inSpan,
  inThisTrace,
  inTraceOf,
  nameSpanByRoute,
  pastSpan,
  recordProblem,
  setSpanAttributes,
  traceHeaders,
  traceparentNow,
  traceRequests,
} from './tracing-spans.js';
