export { type JournalLine, readJournal, type Simulator, startSimulator } from '@comfy-fleet/simulator';
export { comfyUnderTest } from './comfyui-under-test.js';
export { startFleet, type TestFleet, type TestFleetOptions } from './fleet.js';
export { type JobClient, jobClient } from './job-client.js';
export { uniquePrefix } from './prefix.js';
export { freePort, type RedisServer, startRedisServer } from './redis-server.js';
export { type Exit, ready, type Service, startService } from './service.js';
export { until } from './until.js';
