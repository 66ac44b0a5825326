// Loaded before each file of the first gear, whose tests need no Redis and no process.
import './compare-bytes.js';
import { mayStart } from './may-start.js';

mayStart([], 'A test that starts a process belongs to the system tests: name its file *.system.test.ts');
refuseRedis('A test with a Redis belongs to the second gear: name its file *.redis.test.ts');

/** From now on a test that asks for the Redis of the run, `inject('redisUrl')`, throws `refusal`. */
function refuseRedis(refusal: string): void {
  // vitest has no way to say it: what is not provided is undefined, for which settings have a default
  const { __vitest_worker__: worker } = globalThis as unknown as { __vitest_worker__: { providedContext: object } };
  Object.defineProperty(worker.providedContext, 'redisUrl', {
    configurable: true,
    get: () => {
      throw new Error(refusal);
    },
  });
}
