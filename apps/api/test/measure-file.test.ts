import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InputFile } from '@comfy-fleet/contracts';
import { createFileFrames, type FrameStore } from '@comfy-fleet/frames';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFileMeasures, type MeasureFile } from '../src/files/measure-file.js';
import { createTurns } from '../src/server/turns.js';
import { plain } from './pictures.js';

const { signal } = new AbortController();
let dir: string;
let opened: number;
let inputs: FrameStore;
let measure: MeasureFile;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'measures-'));
  const store = createFileFrames({ dir, owner: 'test' });
  opened = 0;
  const open: FrameStore['open'] = (...args) => {
    opened += 1;
    return store.open(...args);
  };
  inputs = { ...store, open };
  measure = createFileMeasures({ inputs, decoding: createTurns(1), maxBytes: 100_000, stopping: signal });
});
afterEach(() => rm(dir, { recursive: true }));

async function stored(content: Buffer, extension: string, more: Partial<InputFile>): Promise<InputFile> {
  const name = `${'a'.repeat(64)}.${extension}`;
  await inputs.put(name, [content], { signal });
  return { name, kind: 'image', bytes: content.length, ...more };
}
const SIZE = { width: 20, height: 10 };
const still = { kind: 'image', picture: { ...SIZE, frames: 1 } };

it('counts the pictures that a JPEG lists in an index', async () => {
  const jpeg = await plain(20, 10, 'red').jpeg().toBuffer();
  expect(await measure('anna', await stored(jpeg, 'jpeg', SIZE))).toEqual(still);
  const index = Buffer.alloc(50_002);
  index.write('ffe2c350', 'hex');
  index.write('MPF\0', 4);
  const listing = Buffer.concat([jpeg.subarray(0, 2), index, jpeg.subarray(2)]);
  const file = await stored(listing, 'jpeg', { ...SIZE, name: 'b' });
  const name = `${'b'.repeat(64)}.jpeg`;
  await inputs.put(name, [listing], { signal });
  expect(await measure('anna', { ...file, name })).toEqual({ kind: 'image', picture: { ...SIZE, frames: 3125 } });
});

it('reads nothing of a picture that was normalised here', async () => {
  const { bytes: _bytes, ...normalised } = await stored(Buffer.from('x'), 'png', SIZE);
  expect(await measure('anna', normalised)).toEqual(still);
  expect(opened).toBe(0);
});

it('reads a PNG once, however often it is loaded', async () => {
  const file = await stored(await plain(20, 10, 'red').png().toBuffer(), 'png', SIZE);
  expect(await Promise.all([measure('anna', file), measure('anna', file)])).toEqual([still, still]);
  expect(await measure('berta', file)).toEqual(still);
  expect(opened).toBe(2);
});

it('measures pictures that other formats hold, and counts what it cannot measure as infinite', async () => {
  const tiff = await stored(await plain(20, 10, 'red').tiff().toBuffer(), 'tiff', { kind: 'file' });
  expect(await measure('anna', tiff)).toEqual(still);
  const frames = Number.POSITIVE_INFINITY;
  const bmp = await stored(Buffer.from(`BM${'\0'.repeat(60)}`), 'bmp', { kind: 'file' });
  expect(await measure('anna', bmp)).toMatchObject({ kind: 'image', picture: { frames } });
  const large = await stored(await plain(20, 10, 'red').gif().toBuffer(), 'gif', { ...SIZE, bytes: 100_001 });
  expect(await measure('anna', large)).toMatchObject({ kind: 'image', picture: { frames } });
});

it('remembers nothing of a file that is not there', async () => {
  const file = await stored(await plain(20, 10, 'red').png().toBuffer(), 'png', SIZE);
  await inputs.delete(file.name);
  expect(await measure('anna', file)).toBeUndefined();
  await inputs.put(file.name, [await plain(20, 10, 'red').png().toBuffer()], { signal });
  expect(await measure('anna', file)).toEqual(still);
});
