import { expect, it } from 'vitest';
import { sharedReads } from '../src/callers/shared-reads.js';

it('has one read of a key under way, and one after it for all who asked meanwhile, whatever became of it', async () => {
  const ends: ((value: string | Error) => void)[] = [];
  const read = sharedReads<string>(
    () =>
      new Promise((resolve, reject) => {
        ends.push((value) => (value instanceof Error ? reject(value) : resolve(value)));
      }),
  );
  const first = read('a');
  const [second, third] = [read('a'), read('a')];
  const other = read('b');
  expect(ends).toHaveLength(2);
  ends[1]?.('of b');
  expect(await other).toBe('of b');
  ends[0]?.(new Error('broken'));
  await expect(first).rejects.toThrow('broken');
  await Promise.resolve();
  expect(ends).toHaveLength(3);
  ends[2]?.('anew');
  expect(await Promise.all([second, third])).toEqual(['anew', 'anew']);
  const last = read('a');
  expect(ends).toHaveLength(4);
  ends[3]?.('last');
  expect(await last).toBe('last');
});
