// Loaded before each file of the Redis gear, whose tests have a Redis but no process of ours.
import { mayStart } from './limits.js';

mayStart(['redis-server'], 'A test that starts a process belongs to the system tests: name its file *.system.test.ts');
