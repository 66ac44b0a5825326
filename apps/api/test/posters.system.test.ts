import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { newId } from '@comfy-fleet/contracts';
import { createFileFrames, type FrameStore, frameName } from '@comfy-fleet/frames';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createPosters, type Posters } from '../src/files/posters.js';

const video = randomBytes(100_000);
const { signal } = new AbortController();

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
let posters: Posters;
let name: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'posters-'));
  ffmpeg = join(dir, 'ffmpeg');
  frames = createFileFrames({ dir: join(dir, 'frames'), owner: 'test' });
  derived = createFileFrames({ dir: join(dir, 'derived'), owner: 'test' });
  posters = createPosters({ frames, derived, ffmpeg, maxPixels: 36_000_000 });
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
  await expect(posters.get(name, signal, 'anna')).rejects.toMatchObject({ code: 'no_poster', detail });
});

it('lets ffmpeg decode no frame that is larger than the picture limit', async () => {
  await install(
    `#!/usr/bin/env node\nprocess.stdout.write(process.argv.slice(2, process.argv.indexOf('-i')).join(' '));`,
  );
  const poster = await posters.get(name, signal, 'anna');
  const stream = await derived.open(poster?.name ?? '');
  expect(stream && (await text(stream))).toContain('-max_pixels 36000000');
});

it('makes a poster once for concurrent requests, stores it, and serves none when the video is deleted', async () => {
  await install(FFMPEG);
  const [poster] = await Promise.all([posters.get(name, signal, 'anna'), posters.get(name, signal, 'anna')]);
  expect(poster).toMatchObject({ contentType: 'image/jpeg' });
  const stream = await derived.open(poster?.name ?? '');
  expect(stream && (await buffer(stream))).toEqual(video.subarray(99_990));
  await rm(ffmpeg);
  expect(await posters.get(name, signal, 'anna')).toEqual(poster);
  await frames.delete(name);
  expect(await posters.get(name, signal, 'anna')).toBeUndefined();
});

it.each([
  ['fails', 'process.exit(1);'],
  ['writes nothing', ''],
  ['writes too much', "process.stdout.write(Buffer.alloc(9 * 1024 * 1024, 'x'), () => setInterval(() => {}, 1000));"],
])('stores nothing when the program %s', async (_what, script) => {
  await install(`#!/usr/bin/env node\n${script}`);
  await expect(posters.get(name, signal, 'anna')).rejects.toMatchObject({ code: 'no_poster' });
  for await (const { name: kept } of derived.list()) throw new Error(`${kept} was kept`);
});

it('stops the program when its caller disconnects', async () => {
  await install('#!/usr/bin/env node\nsetInterval(() => {}, 1000);');
  const caller = new AbortController();
  const asked = posters.get(name, caller.signal, 'anna');
  caller.abort(new Error('gone'));
  await expect(asked).rejects.toThrow('gone');
});
