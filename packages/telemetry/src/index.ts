export {
  COLLECT_BUCKETS,
  GAP_BUCKETS,
  HTTP_BUCKETS,
  RUN_BUCKETS,
  WAIT_BUCKETS,
  WEBHOOK_BUCKETS,
  WEBHOOK_LAG_BUCKETS,
} from './buckets.js';
export { every } from './every.js';
export { type HealthServer, type HealthServerOptions, startHealthServer } from './health-server.js';
export { createLogger, type LogFormat, type Logger, type LoggerOptions, type LogLevel } from './logger.js';
export { type Counter, createMetrics, type Gauge, type Histogram, type Metrics } from './metrics.js';
export { watchRedis } from './redis-watch.js';
export { type StopOptions, stopOnSignals } from './stop-signals.js';
export { startTracing, type Tracing } from './tracing.js';
export {
  callInSpan,
  inSpan,
  inThisTrace,
  inTraceOf,
  noteEvent,
  noteFacts,
  noteProblem,
  noteRoute,
  pastSpan,
  traceHeaders,
  traceparentNow,
  traceRequests,
} from './tracing-spans.js';
export { version } from './version.js';
export { whileRedisAnswers } from './while-redis-answers.js';
