// Loaded before each file of the unit gear, whose tests need no Redis and no process.
import { mayStart } from './limits.js';

mayStart([], 'A test that starts a process belongs to the system tests: name its file *.system.test.ts');
refuseRedis('A test with a Redis belongs to the Redis tests: name its file *.redis.test.ts');

/** From now on `inject('redisUrl')` throws `refusal`. */
function refuseRedis(refusal: string): void {
  // vitest has no setting for this: a missing value is undefined, for which our settings have a default.
  const { __vitest_worker__: worker } = globalThis as unknown as { __vitest_worker__: { providedContext: object } };
  Object.defineProperty(worker.providedContext, 'redisUrl', {
    configurable: true,
    get: () => {
      throw new Error(refusal);
    },
  });
}
