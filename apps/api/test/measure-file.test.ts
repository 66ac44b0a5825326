import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InputFile } from '@comfy-fleet/contracts';
import { createFileFrames, type FrameStore } from '@comfy-fleet/frames';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Undecodable } from '../src/decoding/children.js';
import { createTasks } from '../src/decoding/tasks.js';
import { createFileMeasures } from '../src/files/measure-file.js';
import { createAllTurns } from '../src/server/turns.js';
import { longAnimation, plain } from './pictures.js';

const { signal } = new AbortController();
const measuring = (inputs: FrameStore, maxBytes = 100_000) => {
  const decoder = createTasks({ frames: inputs, inputs });
  const measureFile = createFileMeasures({ decoder, decoding: createAllTurns().decoding, maxBytes });
  return (key: string, file: InputFile) => measureFile(key, file, signal);
};

let dir: string;
let opened: number;
let inputs: FrameStore;
let measure: ReturnType<typeof measuring>;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'measures-'));
  const store = createFileFrames({ dir, owner: 'test' });
  opened = 0;
  const open: FrameStore['open'] = (...args) => {
    opened += 1;
    return store.open(...args);
  };
  inputs = { ...store, open };
  measure = measuring(inputs);
});
afterEach(() => rm(dir, { recursive: true }));

it('measures a file again for which a decoder was killed', async () => {
  const tasks = createTasks({ frames: inputs, inputs });
  const kills = [new Undecodable('takes longer than 30 s to decode')];
  const decoder: Pick<typeof tasks, 'measure'> = {
    measure: async (...args) => {
      const kill = kills.pop();
      if (kill !== undefined) throw kill;
      return tasks.measure(...args);
    },
  };
  const measureFile = createFileMeasures({ decoder, decoding: createAllTurns().decoding, maxBytes: 100_000 });
  const file = await stored(await plain(20, 10, 'red').png().toBuffer(), 'png', {});
  expect(await measureFile('anna', file, signal)).toEqual({ fault: 'takes longer than 30 s to decode' });
  expect(await measureFile('anna', file, signal)).toEqual(still);
});

async function stored(content: Buffer, extension: string, more: Partial<InputFile>): Promise<InputFile> {
  const name = `${'a'.repeat(64)}.${extension}`;
  await inputs.put(name, [content], { signal });
  return { name, kind: 'image', bytes: content.length, ...more };
}
const SIZE = { width: 20, height: 10 };
const still = { kind: 'image', picture: { ...SIZE, frames: 1 } };

/** A grey TIFF whose pages have one strip of nothing. */
function twoPages(...sides: readonly (readonly [width: number, height: number])[]): Buffer {
  const page = ([width, height]: readonly [number, number], next: number) => {
    const tags = [256, width, 257, height, 258, 8, 259, 1, 262, 1, 273, 8, 277, 1, 278, height, 279, 0];
    const bytes = Buffer.alloc(2 + 12 * 9 + 4);
    bytes.writeUInt16LE(9);
    for (let tag = 0; tag < 9; tag += 1) {
      bytes.writeUInt16LE(tags[2 * tag] ?? 0, 2 + 12 * tag);
      bytes.writeUInt16LE(4, 4 + 12 * tag);
      bytes.writeUInt32LE(1, 6 + 12 * tag);
      bytes.writeUInt32LE(tags[2 * tag + 1] ?? 0, 10 + 12 * tag);
    }
    bytes.writeUInt32LE(next, 110);
    return bytes;
  };
  const pages = sides.map((side, at) => page(side, at === sides.length - 1 ? 0 : 8 + 114 * (at + 1)));
  return Buffer.concat([Buffer.from('II*\0\x08\0\0\0', 'latin1'), ...pages]);
}

it('looks into every picture, also into those that were normalised here', async () => {
  const fault = 'has data after the end of the picture';
  const joined = async (type: 'jpeg' | 'png') => {
    const one = await plain(20, 10, 'red')[type]().toBuffer();
    return stored(Buffer.concat([one, Buffer.from('x'), one]), type, SIZE);
  };
  expect(await measure('anna', await joined('jpeg'))).toEqual({ fault });
  const { bytes: _bytes, ...normalised } = await joined('png');
  expect(await measure('anna', normalised)).toEqual({ fault });
});

it('refuses an animation of more than 10,000 frames', async () => {
  const picture = await stored(longAnimation(10_001), 'webp', { width: 1, height: 1 });
  measure = measuring(inputs, 1_000_000);
  expect(await measure('anna', picture)).toEqual({ fault: 'has more than 10000 frames' });
});

it('refuses an animated AVIF, which sharp reports as a single picture', async () => {
  const avif = await plain(20, 10, 'red').avif().toBuffer();
  expect(await measure('anna', await stored(avif, 'avif', { kind: 'file' }))).toEqual(still);
  const moving = Buffer.concat([avif, Buffer.from('\0\0\0\x10moov\0\0\0\x08trak')]);
  const file = { ...(await stored(moving, 'avif', { kind: 'file' })), name: `${'b'.repeat(64)}.avif` };
  await inputs.put(file.name, [moving], { signal });
  expect(await measure('anna', file)).toEqual({ fault: 'has a video in it' });
});

it('measures an AVIF by its pixels when its container declares a smaller size', async () => {
  const avif = await plain(200, 100, 'red').avif().toBuffer();
  avif.writeUInt32BE(10, avif.indexOf('ispe') + 8);
  expect(await measure('anna', await stored(avif, 'avif', { kind: 'file' }))).toMatchObject({
    picture: { width: 200, height: 100 },
  });
});

it.each(['jpeg', 'png', 'webp', 'tiff'] as const)('recognises that EXIF rotates a %s by 90 degrees', async (type) => {
  for (const orientation of [3, 6]) {
    const name = `${String(orientation).repeat(64)}.${type}`;
    const content = await plain(20, 10, 'red').withMetadata({ orientation }).toFormat(type).toBuffer();
    await inputs.put(name, [content], { signal });
    const measured = await measure('anna', { name, kind: 'image', bytes: content.length });
    // All versions of ComfyUI rotate a JPEG, but only some rotate the other formats.
    const turned = type === 'jpeg' ? { width: 10, height: 20 } : { ...SIZE, longest: 20 };
    expect(measured).toEqual({ kind: 'image', picture: { ...(orientation === 6 ? turned : SIZE), frames: 1 } });
  }
});

it('measures a TIFF by its largest page', async () => {
  const file = await stored(twoPages([20, 10], [2000, 1000]), 'tiff', { kind: 'file' });
  expect(await measure('anna', file)).toEqual({ kind: 'animation', picture: { width: 2000, height: 1000, frames: 2 } });
});

it('measures an AVIF with transparency and metadata', async () => {
  const avif = await plain(20, 10, '#ff000080')
    .ensureAlpha(0.5)
    .withExif({ IFD0: { Copyright: 'Anna' } })
    .avif()
    .toBuffer();
  expect(await measure('anna', await stored(avif, 'avif', { kind: 'file' }))).toEqual(still);
});

it('reads a PNG once, no matter how often it is used', async () => {
  const file = await stored(await plain(20, 10, 'red').png().toBuffer(), 'png', SIZE);
  expect(await Promise.all([measure('anna', file), measure('anna', file)])).toEqual([still, still]);
  expect(await measure('berta', file)).toEqual(still);
  // The first bytes, to recognise the type, and then the whole file.
  expect(opened).toBe(2);
});

it('measures pictures inside other formats, and counts what it cannot measure as infinite', async () => {
  const tiff = await stored(await plain(20, 10, 'red').tiff().toBuffer(), 'tiff', { kind: 'file' });
  expect(await measure('anna', tiff)).toEqual(still);
  const frames = Number.POSITIVE_INFINITY;
  const bmp = await stored(Buffer.from(`BM${'\0'.repeat(60)}`), 'bmp', { kind: 'file' });
  expect(await measure('anna', bmp)).toMatchObject({ kind: 'image', picture: { frames } });
  const large = await stored(await plain(20, 10, 'red').gif().toBuffer(), 'gif', { ...SIZE, bytes: 100_001 });
  expect(await measure('anna', large)).toMatchObject({ kind: 'image', picture: { frames } });
});

it('measures a file when it is the turn of the key, though another key that asked earlier still waits', async () => {
  const file = await stored(await plain(20, 10, 'red').png().toBuffer(), 'png', SIZE);
  const slow: InputFile = { name: `${'b'.repeat(64)}.png`, kind: 'image', bytes: 1 };
  let release = () => {};
  const held = new Promise<undefined>((resolve) => {
    release = () => resolve(undefined);
  });
  const open: FrameStore['open'] = (name, ...range) => (name === slow.name ? held : inputs.open(name, ...range));
  measure = measuring({ ...inputs, open });
  const ofMallory = [measure('mallory', slow), measure('mallory', file)];
  expect(await measure('anna', file)).toEqual(still);
  release();
  expect(await Promise.all(ofMallory)).toEqual([undefined, still]);
});

it('caches nothing for a file that does not exist', async () => {
  const file = await stored(await plain(20, 10, 'red').png().toBuffer(), 'png', SIZE);
  await inputs.delete(file.name);
  expect(await measure('anna', file)).toBeUndefined();
  await inputs.put(file.name, [await plain(20, 10, 'red').png().toBuffer()], { signal });
  expect(await measure('anna', file)).toEqual(still);
});
