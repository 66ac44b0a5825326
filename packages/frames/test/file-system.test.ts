import { expect, it } from 'vitest';
import { sharedSync } from '../src/file-system.js';

/** Syncs whose ends the test controls. */
function controlled() {
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const { sync } = sharedSync(() => new Promise((resolve, reject) => ends.push({ resolve, reject })));
  return { ends, sync };
}
const nextTick = () => new Promise((resolve) => setImmediate(resolve));

it('callers during a sync share the next sync, which begins after the first has ended', async () => {
  const { ends, sync } = controlled();
  const done: string[] = [];
  const first = sync().then(() => done.push('first'));
  await nextTick();
  const later = ['second', 'third'].map((name) => sync().then(() => done.push(name)));
  await nextTick();
  expect(ends).toHaveLength(1);
  ends[0]?.resolve();
  await first;
  await nextTick();
  expect(done).toEqual(['first']);
  expect(ends).toHaveLength(2);
  ends[1]?.resolve();
  await Promise.all(later);
  expect(done).toEqual(['first', 'second', 'third']);
});

it('a failure reaches its callers, and the next call syncs again', async () => {
  const { ends, sync } = controlled();
  const failing = sync();
  await nextTick();
  ends[0]?.reject(new Error('EIO'));
  await expect(failing).rejects.toThrow('EIO');
  const next = sync();
  await nextTick();
  ends[1]?.resolve();
  await next;
});
