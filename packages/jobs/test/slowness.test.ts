import { expect, it } from 'vitest';
import { compareInstances } from '../src/workers/slowness.js';
import { anInstance } from './builders.js';

const SKETCH = 'sketch|64x64x1|8|text2img|xl';

/** The slowness of instances that took so long, by name and signature. */
const compare = (paces: Readonly<Record<string, Readonly<Record<string, number>>>>) =>
  compareInstances([{ instances: Object.entries(paces).map(([name, its]) => anInstance({ name, paces: its })) }]);

it('returns how many times as long as its peers an instance takes for similar work', () => {
  const slowness = compare({ 'a/1': { [SKETCH]: 1000 }, 'a/2': { [SKETCH]: 1100 }, 'b/1': { [SKETCH]: 4000 } });
  expect(slowness.get('b/1')).toBe(4);
  expect(slowness.get('a/1')).toBeLessThan(1);
  expect(slowness.get('a/2')).toBeLessThan(1.2);
});

it('compares similar work only, so that an instance with long jobs is not slow', () => {
  expect(compare({ 'a/1': { [SKETCH]: 100 }, 'b/1': { 'final|1024x1024x1|40|text2img|xl': 9000 } }).size).toBe(0);
});

it('takes the median of several kinds of work, so that one odd kind does not matter', () => {
  const slowness = compare({ 'a/1': { k1: 1000, k2: 1000, k3: 1000 }, 'b/1': { k1: 9000, k2: 1000, k3: 1000 } });
  expect(slowness.get('b/1')).toBe(1);
});

it('ignores differences of milliseconds', () => {
  expect(compare({ 'a/1': { [SKETCH]: 2 }, 'b/1': { [SKETCH]: 12 } }).get('b/1')).toBe(1);
});
