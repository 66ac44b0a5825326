import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { createMediaReader } from '../src/job/media-facts.js';

const CLIPS = new URL('../../simulator/src/data/clips/', import.meta.url);
const mediaFacts = createMediaReader(new URL('../dist/media-thread.js', import.meta.url));

/** Reads all but the first bytes from a store. */
async function factsOf(content: Buffer) {
  const open = async (_name: string, { start, end } = { start: 0, end: content.length - 1 }) =>
    Readable.from([content.subarray(start, end + 1)]);
  const [start, { signal }] = [content.subarray(0, 100), new AbortController()];
  return mediaFacts({ name: 'x', bytes: content.length, start, frames: { open }, signal }, 'anna');
}

it('reads the facts of media in a thread', async () => {
  const read = async (name: string) => factsOf(await readFile(new URL(name, CLIPS)));
  expect(await read('clip.mp4')).toEqual({ width: 192, height: 128, durationSeconds: 2 });
  expect(await read('clip.webm')).toEqual({ width: 192, height: 128, durationSeconds: 2 });
  expect(await read('tone.opus')).toEqual({ durationSeconds: 1 });
});

it('omits them if a file states so many frames that their places take too much memory', async () => {
  const clip = await readFile(new URL('clip.mp4', CLIPS));
  // The first entry of these tables says how many frames have the same time.
  for (const table of ['stts', 'ctts']) clip.writeUInt32BE(0xffffffff, clip.indexOf(table) + 12);
  expect(await factsOf(clip)).toEqual({});
});
