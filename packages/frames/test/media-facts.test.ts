import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { mediaFacts } from '../src/media-facts.js';

const CLIPS = new URL('../../../apps/simulator/src/data/clips/', import.meta.url);
const { signal } = new AbortController();

/** The facts of a file whose first `headBytes` are in memory, and how many bytes were read from the store. */
async function factsOf(content: Buffer, headBytes: number) {
  let read = 0;
  const open = async (_name: string, { start, end } = { start: 0, end: content.length - 1 }) => {
    read += end - start + 1;
    return Readable.from([content.subarray(start, end + 1)]);
  };
  const start = content.subarray(0, headBytes);
  const facts = await mediaFacts({ name: 'x', bytes: content.length, start, frames: { open }, signal });
  return { ...facts, read };
}

it.each([
  ['clip.mp4', { width: 192, height: 128, durationSeconds: 2 }],
  ['clip.webm', { width: 192, height: 128, durationSeconds: 2 }],
  ['clip.mkv', { width: 192, height: 128, durationSeconds: 2 }],
  ['tone.mp3', { durationSeconds: expect.closeTo(1, 1) }],
  ['tone.opus', { durationSeconds: 1 }],
])('reads the duration of %s from the bytes in memory, and else from the store', async (name, facts) => {
  const content = await readFile(new URL(name, CLIPS));
  expect(await factsOf(content, content.length)).toEqual({ ...facts, read: 0 });
  expect(await factsOf(content, 100)).toEqual({ ...facts, read: expect.any(Number) });
});

it('returns no facts of an unreadable file, of which it reads only a part', async () => {
  const clip = await readFile(new URL('clip.mp4', CLIPS));
  expect(await factsOf(clip.subarray(0, 200), 200)).toEqual({ read: 0 });
  expect(await factsOf(Buffer.from('no video at all'), 5)).toMatchObject({ read: expect.any(Number) });
  const frames = { open: async () => undefined };
  expect(await mediaFacts({ name: 'x', bytes: 1e9, start: clip.subarray(0, 40), frames, signal })).toEqual({});
});
