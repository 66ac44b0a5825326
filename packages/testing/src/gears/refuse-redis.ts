/** From now on a test that asks for the Redis of the run, `inject('redisUrl')`, throws `refusal`. */
export function refuseRedis(refusal: string): void {
  // vitest has no way to say it: what is not provided is undefined, for which settings have a default
  const { __vitest_worker__: worker } = globalThis as unknown as { __vitest_worker__: { providedContext: object } };
  Object.defineProperty(worker.providedContext, 'redisUrl', {
    configurable: true,
    get: () => {
      throw new Error(refusal);
    },
  });
}
