import { expect, it } from 'vitest';
import { sharedSync } from '../src/file-system.js';

/** Syncs that end when they are told to. */
function controlled() {
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const { sync } = sharedSync(() => new Promise((resolve, reject) => ends.push({ resolve, reject })));
  return { ends, sync };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('lets those who ask while one runs share the one that begins after it, and no earlier', async () => {
  const { ends, sync } = controlled();
  const done: string[] = [];
  const first = sync().then(() => done.push('first'));
  await turn();
  const later = ['second', 'third'].map((name) => sync().then(() => done.push(name)));
  await turn();
  expect(ends).toHaveLength(1);
  ends[0]?.resolve();
  await first;
  await turn();
  expect(done).toEqual(['first']);
  expect(ends).toHaveLength(2);
  ends[1]?.resolve();
  await Promise.all(later);
  expect(done).toEqual(['first', 'second', 'third']);
});

it('fails those who shared it, and syncs anew for the next', async () => {
  const { ends, sync } = controlled();
  const failing = sync();
  await turn();
  ends[0]?.reject(new Error('EIO'));
  await expect(failing).rejects.toThrow('EIO');
  const next = sync();
  await turn();
  ends[1]?.resolve();
  await next;
});
