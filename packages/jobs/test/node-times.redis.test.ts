import { expect, it } from 'vitest';
import { openFleet } from './builders.js';

const took = (nodeId: string, ms: number, work = 1) => ({ nodeId, ms, work });

it('answers the median of the last nine times of a node, whoever in the fleet saw them', async () => {
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
  expect(await fleet.redis.pttl(fleet.keys.nodeTimes('v1'))).toBeGreaterThan(0);
});

it('answers the same time for a unit of work after executions of different sizes', async () => {
  const { nodeTimes } = (await openFleet()).worker('gpu-1');
  for (const work of [0.5, 8, 2]) await nodeTimes.learn('v1', [took('5', 100 * work, work)]);
  expect((await nodeTimes.read('v1')).get('5')).toEqual({ ms: 200, msPerUnit: 100 });
});
