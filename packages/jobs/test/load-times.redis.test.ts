import { expect, it } from 'vitest';
import { openFleet } from './builders.js';

it('averages over the fleet how long a model file takes to load, the newest load with a weight of 0.3', async () => {
  const fleet = await openFleet();
  const [one, other] = [fleet.worker('gpu-1').loadTimes, fleet.worker('gpu-2').loadTimes];
  expect(await one.learn('a.safetensors', 10_000)).toBe(10_000);
  expect(await other.learn('a.safetensors', 5000)).toBe(8500);
  expect([...(await one.read())]).toEqual([['a.safetensors', 8500]]);
  expect(await fleet.redis.pttl(fleet.keys.loadTimes)).toBeGreaterThan(0);
});

it('forgets a file when there are a thousand and another one comes', async () => {
  const fleet = await openFleet();
  const { loadTimes } = fleet.worker('gpu-1');
  const thousand = Array.from({ length: 1000 }, (_, n) => [`${n}.safetensors`, 100]).flat();
  await fleet.redis.hset(fleet.keys.loadTimes, ...thousand);
  await loadTimes.learn('new.safetensors', 700);
  const times = await loadTimes.read();
  expect([times.size, times.get('new.safetensors')]).toEqual([1000, 700]);
});
