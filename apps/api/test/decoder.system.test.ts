import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { freePort, overridesEnv, startService, uniquePrefix, until } from '@comfy-fleet/testing';
import sharp from 'sharp';
import { expect, inject, it, onTestFinished } from 'vitest';
import { plain } from './pictures.js';

/** As many stages as a colour profile may have: the library of profiles computes each at 35,937 points, which takes minutes. */
const STAGES = 100_000;

/** Starts an API, and returns a function that posts a picture. */
async function aService(env: Record<string, string>) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const service = startService('api', {
    ...{ PORT: `${port}`, API_METRICS_PORT: '0', REDIS_URL: inject('redisUrl'), KEY_PREFIX: uniquePrefix() },
    ...env,
  });
  onTestFinished(() => service.stop('SIGKILL'));
  await until('it is listening', async () => service.output.includes('listening'));
  const post = (picture: Buffer) =>
    fetch(`${url}/img2img`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ prompt: 'x', image: picture.toString('base64') }),
    });
  return { service, url, post };
}

it('kills a decoder that takes too long, answers other requests meanwhile, and decodes the next picture', async () => {
  const { service, url, post } = await aService(overridesEnv({ images: { decodeSeconds: 10 } }));
  const png = await plain(64, 64, 'red').png().toBuffer();
  let isOver = false;
  const hostile = post(await withStages(png)).finally(() => {
    isOver = true;
  });
  let answered = 0;
  while (!isOver) {
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    answered += 1;
  }
  expect(answered).toBeGreaterThan(1);
  const answer = await hostile;
  const detail = 'The file takes longer than 10 s to decode.';
  expect([answer.status, await answer.json()]).toMatchObject([422, { code: 'invalid_image', detail }]);
  await until('it is logged', async () => service.output.includes('a decoder was killed'));
  expect((await post(png)).status).toBe(202);
});

it('kills a decoder that needs too much memory, and decodes the next picture', async () => {
  const { post } = await aService({ MAX_IMAGE_PIXELS: '30000000' });
  const answer = await post(hugeWhenDecoded(5440));
  const detail = 'The file needs too much memory to decode.';
  expect([answer.status, await answer.json()]).toMatchObject([422, { code: 'invalid_image', detail }]);
  expect((await post(await plain(64, 64, 'red').png().toBuffer())).status).toBe(202);
});

it('leaves no decoder behind when the API is killed', async () => {
  const { service, post } = await aService({});
  const hostile = post(await withStages(await plain(64, 64, 'red').png().toBuffer())).catch(() => undefined);
  const children = () => readFileSync(`/proc/${service.pid}/task/${service.pid}/children`, 'utf8').trim();
  await until('a decoder has started', () => children() !== '');
  const decoder = Number(children());
  await service.stop('SIGKILL');
  await hostile;
  await until('the decoder has ended', () => !existsSync(`/proc/${decoder}`));
});

it('copies videos and sounds in decoders of their own, and refuses what cannot be copied', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'copies-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const { url } = await aService({ FRAMES_DIR: dir });
  const order = async (medium: Buffer) => {
    const sent = await fetch(`${url}/assets`, { method: 'POST', body: new Uint8Array(medium) });
    const { id } = (await sent.json()) as { id: string };
    const graph = {
      1: { class_type: 'LoadAudio', inputs: { audio: `asset:${id}` } },
      2: { class_type: 'SaveAudio', inputs: { audio: ['1', 0], filename_prefix: 'x' } },
    };
    const headers = { 'Content-Type': 'application/json' };
    return fetch(`${url}/graphs`, { method: 'POST', headers, body: JSON.stringify({ graph }) });
  };
  const copies = async () => (await readdir(join(dir, 'inputs'))).filter((name) => name.endsWith('.mov'));
  const clip = readFileSync(new URL('../../simulator/src/data/clips/clip.mp4', import.meta.url));
  const answer = await order(clip);
  expect([answer.status, answer.ok || (await answer.text())]).toEqual([202, true]);
  const sound = Buffer.alloc(20_000_000);
  Buffer.from('RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0data', 'latin1').copy(
    sound,
  );
  sound.writeUInt32LE(sound.length - 8, 4);
  sound.writeUInt32LE(sound.length - 44, 40);
  expect((await order(sound)).status).toBe(202);
  const names = await copies();
  expect(names).toHaveLength(2);
  for (const name of names) {
    const content = readFileSync(join(dir, 'inputs', name));
    expect(content.toString('latin1', 4, 12)).toBe('ftypqt  ');
    // The index comes last and states its length.
    const index = content.lastIndexOf('moov') - 4;
    expect(content.readUInt32BE(index)).toBe(content.length - index);
  }

  // The signature of a NUT video in the text with the settings of the encoder.
  clip.write('4e4d7a561f5f04ad', clip.indexOf('x264 - core'), 'hex');
  const refusal = await order(clip);
  expect([refusal.status, await refusal.json()]).toMatchObject([422, { code: 'validation_failed' }]);
  expect(await copies()).toEqual(names);
});

/**
 * An interlaced PNG of 16 bits that has to be turned: a decoder holds it twice, with eight bytes for each pixel. The side is a
 * multiple of eight.
 */
function hugeWhenDecoded(side: number): Buffer {
  // Each of the seven passes (PNG, 8.2) has every nth column and row. Each row begins with its filter.
  const right = [8, 8, 4, 4, 2, 2, 1];
  const down = [8, 8, 8, 4, 4, 2, 2];
  const bytes = down.map((rows, pass) => (side / rows) * (1 + (8 * side) / (right[pass] ?? 1)));
  const pixels = Buffer.alloc(bytes.reduce((sum, one) => sum + one, 0));
  const turned = Buffer.from('II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0', 'latin1');
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunkOf('IHDR', Buffer.concat([uint32(side), uint32(side), Buffer.from([16, 6, 0, 0, 1])])),
    chunkOf('eXIf', turned),
    chunkOf('IDAT', deflateSync(pixels)),
    chunkOf('IEND', Buffer.alloc(0)),
  ]);
}

function chunkOf(type: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), content]);
  return Buffer.concat([uint32(content.length), named, uint32(crcOf(named))]);
}

/** The PNG with a colour profile whose conversion has that many stages, the same two over and over. */
async function withStages(png: Buffer): Promise<Buffer> {
  const { icc = Buffer.alloc(0) } = await sharp(await sharp(png).withIccProfile('srgb').png().toBuffer()).metadata();
  const tags = Array.from({ length: icc.readUInt32BE(128) }, (_, n) => {
    const at = 132 + 12 * n;
    const from = icc.readUInt32BE(at + 4);
    return [icc.subarray(at, at + 4), icc.subarray(from, from + icc.readUInt32BE(at + 8))] as const;
  });
  tags.push([Buffer.from('D2B0'), elements(STAGES)]);
  let offset = 132 + 12 * tags.length;
  const entries: Buffer[] = [];
  const contents: Buffer[] = [];
  for (const [name, content] of tags) {
    const padded = Buffer.concat([content, Buffer.alloc((4 - (content.length % 4)) % 4)]);
    entries.push(name, uint32(offset), uint32(content.length));
    contents.push(padded);
    offset += padded.length;
  }
  const profile = Buffer.concat([icc.subarray(0, 128), uint32(tags.length), ...entries, ...contents]);
  profile.writeUInt32BE(profile.length);
  const chunk = chunkOf('iCCP', Buffer.concat([Buffer.from('a\0\0'), deflateSync(profile, { level: 9 })]));
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}

/** Multi-process elements (ICC.2): matrices from 3 to 15 channels, many times from 15 to 15, and back to 3. */
function elements(stages: number): Buffer {
  const parts = [matrix(3, 15), matrix(15, 15), matrix(15, 3)];
  const head = Buffer.concat([Buffer.from('mpet\0\0\0\0'), uint16(3), uint16(3), uint32(stages)]);
  const places: { at: number; length: number }[] = [];
  let at = head.length + 8 * stages;
  for (const { length } of parts) {
    places.push({ at, length });
    at += length;
  }
  const table = Array.from({ length: stages }, (_, n) => {
    const place = places[n === 0 ? 0 : n === stages - 1 ? 2 : 1];
    return Buffer.concat([uint32(place?.at ?? 0), uint32(place?.length ?? 0)]);
  });
  return Buffer.concat([head, ...table, ...parts]);
}

function matrix(from: number, to: number): Buffer {
  const numbers = Buffer.alloc(4 * (from * to + to));
  for (let n = 0; n < from * to; n += 1)
    numbers.writeFloatBE(n % from === Math.floor(n / from) ? 0.999 : 0.0001, 4 * n);
  return Buffer.concat([Buffer.from('matf\0\0\0\0'), uint16(from), uint16(to), numbers]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** PNG, annex D. */
function crcOf(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc;
}
