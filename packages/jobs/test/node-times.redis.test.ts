import { expect, it } from 'vitest';
import type { NodeTiming } from '../src/record/record.js';
import { openFleet } from './builders.js';

const took = (nodeId: string, ms: number | null): NodeTiming => ({
  nodeId,
  title: 'KSampler',
  className: 'KSampler',
  ms,
  steps: 20,
  cached: ms === null,
});

it('answers the median of the last nine times of a node, whoever in the fleet saw them', async () => {
  const fleet = await openFleet();
  const [one, other] = [fleet.worker('gpu-1').nodeTimes, fleet.worker('gpu-2').nodeTimes];
  await one.learn('v1', [took('5', 9000), took('7', 10)]);
  await other.learn('v1', [took('5', 1000)]);
  await one.learn('v1', [took('5', 1200), took('1', null)]);
  expect([...(await other.read('v1'))].sort()).toEqual([
    ['5', 1200],
    ['7', 10],
  ]);
  for (let n = 0; n < 9; n++) await one.learn('v1', [took('5', 300)]);
  expect((await one.read('v1')).get('5')).toBe(300);
  expect((await one.read('v2')).size).toBe(0);
  expect(await fleet.redis.pttl(fleet.keys.nodeTimes('v1'))).toBeGreaterThan(0);
});
