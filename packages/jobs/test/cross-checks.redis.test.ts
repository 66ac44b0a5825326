import { expect, it } from 'vitest';
import { openFleet } from './builders.js';

it('tells a worker what became elsewhere of jobs that failed in its instances, once, and no other worker', async () => {
  const fleet = await openFleet();
  const [one, other] = [fleet.worker('gpu-1').crossChecks, fleet.worker('gpu-2').crossChecks];
  await other.send({ instance: 'gpu-1/1', job: 'a', verdict: 'succeeded' });
  await other.send({ instance: 'gpu-1/2', job: 'b', verdict: 'alike' });
  expect(await fleet.redis.pttl(fleet.keys.crossChecks('gpu-1'))).toBeGreaterThan(0);
  expect(await other.take()).toEqual([]);
  expect(await one.take()).toEqual([
    { instance: 'gpu-1/1', job: 'a', verdict: 'succeeded' },
    { instance: 'gpu-1/2', job: 'b', verdict: 'alike' },
  ]);
  expect(await one.take()).toEqual([]);
});
