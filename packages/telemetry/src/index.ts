export { every } from './every.js';
export { type HealthServer, type HealthServerOptions, startHealthServer } from './health-server.js';
export { createLogger, type LogFormat, type Logger, type LoggerOptions, type LogLevel } from './logger.js';
