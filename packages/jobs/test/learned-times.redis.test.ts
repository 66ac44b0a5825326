import { expect, it } from 'vitest';
import { openFleet } from './builders.js';

it('averages over the fleet how long a model file takes to load, with a weight of 0.3 for the newest load', async () => {
  const fleet = await openFleet();
  const [one, other] = [fleet.worker('gpu-1').loadTimes, fleet.worker('gpu-2').loadTimes];
  expect(await one.learn('a.safetensors', 10_000)).toBe(10_000);
  expect(await other.learn('a.safetensors', 5000)).toBe(8500);
  expect([...(await one.read())]).toEqual([['a.safetensors', 8500]]);
  expect(await fleet.redis.pttl(fleet.keys.loadTimes)).toBeGreaterThan(0);
});

it('forgets a file when there are more than a thousand', async () => {
  const fleet = await openFleet();
  const { loadTimes } = fleet.worker('gpu-1');
  const thousand = Array.from({ length: 1000 }, (_, n) => [`${n}.safetensors`, 100]).flat();
  await fleet.redis.hset(fleet.keys.loadTimes, ...thousand);
  await loadTimes.learn('new.safetensors', 700);
  const times = await loadTimes.read();
  expect([times.size, times.get('new.safetensors')]).toEqual([1000, 700]);
});

const took = (nodeId: string, ms: number, work = 1) => ({ nodeId, ms, work });

it('returns the median of the last nine times of a node, whichever worker reported them', async () => {
  const fleet = await openFleet();
  const [one, other] = [fleet.worker('gpu-1').nodeTimes, fleet.worker('gpu-2').nodeTimes];
  await one.learn('v1', [took('5', 9000), took('7', 10)]);
  await other.learn('v1', [took('5', 1000)]);
  await one.learn('v1', [took('5', 1200)]);
  const known = await other.read('v1');
  expect([...known].map(([node, { ms }]) => [node, ms]).sort()).toEqual([
    ['5', 1200],
    ['7', 10],
  ]);
  for (let n = 0; n < 9; n++) await one.learn('v1', [took('5', 300)]);
  expect((await one.read('v1')).get('5')?.ms).toBe(300);
  expect((await one.read('v2')).size).toBe(0);
  expect(await fleet.redis.pttl(fleet.keys.nodeTimes)).toBeGreaterThan(0);
});

it('returns the same time per unit of work for executions of different sizes', async () => {
  const { nodeTimes } = (await openFleet()).worker('gpu-1');
  for (const work of [0.5, 8, 2]) await nodeTimes.learn('v1', [took('5', 100 * work, work)]);
  expect((await nodeTimes.read('v1')).get('5')).toEqual({ ms: 200, msPerUnit: 100 });
});

it('keeps the slowest hundred nodes of a version, and a thousand versions', async () => {
  const { redis, keys, worker } = await openFleet();
  const { nodeTimes } = worker('gpu-1');
  const times = Array.from({ length: 150 }, (_, n) => took(`${n}`, n + 1));
  await nodeTimes.learn('v1', [...times, took('x'.repeat(101), 1000)]);
  await nodeTimes.learn('v1', times);
  const ids = [...(await nodeTimes.read('v1')).keys()].map(Number);
  expect(ids.sort((a, b) => a - b)).toEqual(times.slice(50).map(({ nodeId }) => Number(nodeId)));
  await redis.hset(keys.nodeTimes, Object.fromEntries(Array.from({ length: 999 }, (_, n) => [`w${n}`, '[]'])));
  for (const version of ['v2', 'v3', 'v4']) await nodeTimes.learn(version, [took('5', 1)]);
  expect(await redis.hlen(keys.nodeTimes)).toBe(1000);
});
