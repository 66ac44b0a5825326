// Loaded before each file of the first gear, whose tests need no Redis and no process.
import { mayStart } from './may-start.js';
import { refuseRedis } from './refuse-redis.js';

mayStart([], 'A test that starts a process belongs to the system tests: name its file *.system.test.ts');
refuseRedis('A test with a Redis belongs to the second gear: name its file *.redis.test.ts');
