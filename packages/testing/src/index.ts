export { uniquePrefix } from './prefix.js';
export { freePort, type RedisServer, startRedisServer } from './redis-server.js';
export { until } from './until.js';
