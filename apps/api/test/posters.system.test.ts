import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { newId } from '@comfy-fleet/contracts';
import { createFileFrames, type FrameStore, frameName } from '@comfy-fleet/frames';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createDerived, type Derived } from '../src/files/derived.js';
import { createAllTurns } from '../src/server/turns.js';

const video = randomBytes(100_000);
const { signal } = new AbortController();
const visit = { key: 'anna', signal };

/** Replaces ffmpeg: reads the end of the file at the given URL, where an MP4 has its index, and outputs it. */
const FFMPEG = `#!/usr/bin/env node
const url = process.argv[process.argv.indexOf('-i') + 1];
fetch(url, { headers: { Range: 'bytes=99990-' } })
  .then((answer) => answer.arrayBuffer())
  .then((end) => process.stdout.write(Buffer.from(end)));`;

let dir: string;
let ffmpeg: string;
let frames: FrameStore;
let derived: FrameStore;
let posters: Derived;
let name: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'posters-'));
  ffmpeg = join(dir, 'ffmpeg');
  frames = createFileFrames({ dir: join(dir, 'frames'), owner: 'test' });
  derived = createFileFrames({ dir: join(dir, 'derived'), owner: 'test' });
  const limits = { widths: [], maxBytes: 1_000_000, maxPixels: 36_000_000 };
  posters = createDerived({ frames, derived, ffmpeg, ...limits, decoding: createAllTurns().decoding });
  name = frameName(newId(), 1, 'mp4');
  await frames.put(name, [video], { signal });
});
afterEach(() => rm(dir, { recursive: true }));

async function install(script: string): Promise<void> {
  await writeFile(ffmpeg, script);
  await chmod(ffmpeg, 0o755);
}

it('reports that ffmpeg is needed when there is none', async () => {
  const detail = 'Posters of videos need ffmpeg, which this service does not have.';
  await expect(posters.poster(name, visit)).rejects.toMatchObject({ code: 'no_poster', detail });
});

it('lets ffmpeg decode no frame that is larger than the picture limit', async () => {
  await install(
    `#!/usr/bin/env node\nprocess.stdout.write(process.argv.slice(2, process.argv.indexOf('-i')).join(' '));`,
  );
  const poster = await posters.poster(name, visit);
  const stream = await derived.open(poster?.name ?? '');
  expect(stream && (await text(stream))).toContain('-max_pixels 36000000');
});

it('makes a poster once for concurrent requests, stores it, and serves none when the video is deleted', async () => {
  await install(FFMPEG);
  const [poster] = await Promise.all([posters.poster(name, visit), posters.poster(name, visit)]);
  expect(poster).toMatchObject({ contentType: 'image/jpeg' });
  const stream = await derived.open(poster?.name ?? '');
  expect(stream && (await buffer(stream))).toEqual(video.subarray(99_990));
  await rm(ffmpeg);
  expect(await posters.poster(name, visit)).toEqual(poster);
  await frames.delete(name);
  expect(await posters.poster(name, visit)).toBeUndefined();
});

it.each([
  ['fails', 'process.exit(1);'],
  ['writes nothing', ''],
  ['writes too much', "process.stdout.write(Buffer.alloc(9 * 1024 * 1024, 'x'), () => setInterval(() => {}, 1000));"],
])('stores nothing when the program %s', async (_what, script) => {
  await install(`#!/usr/bin/env node\n${script}`);
  await expect(posters.poster(name, visit)).rejects.toMatchObject({ code: 'no_poster' });
  for await (const { name: kept } of derived.list()) throw new Error(`${kept} was kept`);
});

it('stops the program when its caller disconnects', async () => {
  await install('#!/usr/bin/env node\nsetInterval(() => {}, 1000);');
  const caller = new AbortController();
  const asked = posters.poster(name, { ...visit, signal: caller.signal });
  caller.abort(new Error('gone'));
  await expect(asked).rejects.toThrow('gone');
});
