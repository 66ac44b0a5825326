import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { measureMedia, mediaFacts } from '../src/media-facts.js';

const CLIPS = new URL('../../../apps/simulator/data/clips/', import.meta.url);
const { signal } = new AbortController();

/** What is told of a file of which so many bytes are at hand, and how many were read from the store for it. */
async function told(content: Buffer, headBytes: number) {
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
])('tells how long %s is, from what is at hand and else from the store', async (name, facts) => {
  const content = await readFile(new URL(name, CLIPS));
  expect(await told(content, content.length)).toEqual({ ...facts, read: 0 });
  expect(await told(content, 100)).toEqual({ ...facts, read: expect.any(Number) });
});

it('says nothing of what cannot be read, and reads no more than a part of it', async () => {
  const clip = await readFile(new URL('clip.mp4', CLIPS));
  expect(await told(clip.subarray(0, 200), 200)).toEqual({ read: 0 });
  expect(await told(Buffer.from('no video at all'), 5)).toMatchObject({ read: expect.any(Number) });
  const frames = { open: async () => undefined };
  expect(await mediaFacts({ name: 'x', bytes: 1e9, start: clip.subarray(0, 40), frames, signal })).toEqual({});
});

const measured = async (content: Buffer, maxFrames = 1000) => {
  const open = async (_name: string, { start, end } = { start: 0, end: content.length - 1 }) =>
    Readable.from([content.subarray(start, end + 1)]);
  const start = content.subarray(0, 100);
  return measureMedia({ name: 'x', bytes: content.length, start, frames: { open }, signal }, maxFrames);
};
const clip = (name: string) => readFile(new URL(name, CLIPS));

it.each([
  ['clip.mp4', { picture: { width: 192, height: 128, frames: 24 } }],
  ['clip.webm', { picture: { width: 192, height: 128, frames: 24 } }],
  ['clip.mkv', { picture: { width: 192, height: 128, frames: 24 } }],
  ['tone.mp3', { sound: { seconds: expect.closeTo(1, 1), rate: 44_100, channels: 1 } }],
  ['tone.opus', { sound: { seconds: 1, rate: 48_000, channels: 1 } }],
])('measures what %s becomes when it is decoded', async (name, size) => {
  expect(await measured(await clip(name))).toEqual(size);
});

it('does not believe the size of a video that is a series of pictures', async () => {
  const content = await clip('clip.mp4');
  content.write('png ', content.indexOf('avc1', content.indexOf('stsd')), 'latin1');
  await expect(measured(content)).rejects.toThrow('its codec is not one of videos');
});

it('counts the frames of a video, whatever it says of its length, and not too many of them', async () => {
  const content = await clip('clip.mp4');
  // The media header's duration.
  const header = content.indexOf('mdhd');
  content.writeUInt32BE(1, header + 20);
  expect(await measured(content)).toMatchObject({ picture: { frames: 24 } });
  await expect(measured(content, 23)).rejects.toThrow('too many frames');
});

it('takes no more seconds for a sound than its bytes can hold, whatever its header says', async () => {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(0xffff_fff0, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(2, 22);
  header.writeUInt32LE(48_000, 24);
  header.writeUInt32LE(192_000, 28);
  header.writeUInt16LE(4, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(0xffff_ff00, 40);
  const { sound } = await measured(Buffer.concat([header, Buffer.alloc(192_000)]));
  expect(sound).toMatchObject({ rate: 48_000, channels: 2 });
  expect(sound?.seconds).toBeLessThan(3);
});

it('cannot measure what is no whole video', async () => {
  const content = await clip('clip.mp4');
  await expect(measured(content.subarray(0, 200))).rejects.toThrow();
});
