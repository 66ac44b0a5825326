import { buffer } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { peek } from '../src/job/store-output.js';

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

it.each([
  [['abc', 'def', 'ghi'], 4, 'abcdef'],
  [['abc'], 3, 'abc'],
  [['abc'], 100, 'abc'],
  [[], 4, ''],
])('of %j returns at least %i bytes if there are any, and then the whole stream', async (texts, most, start) => {
  const seen = await peek(chunks(...texts), most);
  expect(seen.start.toString()).toBe(start);
  expect((await buffer(seen.whole)).toString()).toBe(texts.join(''));
});

it('passes on errors of the stream, at the beginning and later', async () => {
  async function* broken() {
    yield Buffer.from('abc');
    throw new Error('cut off');
  }
  await expect(peek(broken(), 4)).rejects.toThrow('cut off');
  const seen = await peek(broken(), 3);
  await expect(buffer(seen.whole)).rejects.toThrow('cut off');
});
