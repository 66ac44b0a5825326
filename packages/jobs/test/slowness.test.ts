import { expect, it } from 'vitest';
import { compareInstances, type Pace } from '../src/workers/slowness.js';

const NOW = 10_000_000;

const pace = (instance: string, ms: number, more: Partial<Pace> = {}): Pace => ({
  instance,
  signature: 'sketch|64x64x1|8|text2img|xl',
  ms,
  count: 10,
  at: NOW - 1000,
  ...more,
});

it('returns how many times as long as its peers an instance takes for similar work', () => {
  const slowness = compareInstances([pace('a/1', 1000), pace('a/2', 1100), pace('b/1', 4000)], NOW);
  expect(slowness.get('b/1')).toBe(4);
  expect(slowness.get('a/1')).toBeLessThan(1);
  expect(slowness.get('a/2')).toBeLessThan(1.2);
});

it('compares similar work only, so that an instance with long jobs is not slow', () => {
  const long = { signature: 'final|1024x1024x1|40|text2img|xl' };
  expect(compareInstances([pace('a/1', 100), pace('b/1', 9000, long)], NOW).size).toBe(0);
});

it('takes the median of several kinds of work, so that one odd kind does not matter', () => {
  const kinds = ['k1', 'k2', 'k3'].map((signature) => ({ signature }));
  const paces = kinds.flatMap((kind, n) => [pace('a/1', 1000, kind), pace('b/1', n === 0 ? 9000 : 1000, kind)]);
  expect(compareInstances(paces, NOW).get('b/1')).toBe(1);
});

it('ignores old values and those from few executions', () => {
  expect(compareInstances([pace('a/1', 1000), pace('b/1', 4000, { count: 4 })], NOW).size).toBe(0);
  expect(compareInstances([pace('a/1', 1000), pace('b/1', 4000, { at: NOW - 3_600_001 })], NOW).size).toBe(0);
});

it('ignores differences of milliseconds', () => {
  expect(compareInstances([pace('a/1', 2), pace('b/1', 12)], NOW).get('b/1')).toBe(1);
});
