import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Job, newId } from '@comfy-fleet/contracts';
import { frameName, inputName } from '@comfy-fleet/frames';
import { until } from '@comfy-fleet/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';
import * as pictures from './pictures.js';

let api: TestApi;
let png: Buffer;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'), {
    env: { MAX_IMAGE_BYTES: '300000' },
    overrides: { http: { maxJsonBytes: 20_000 } },
  });
  png = await pictures.plain(800, 400, 'red').png().toBuffer();
});
afterAll(() => api.close());

const asJson = (image: Buffer | string, fields: object = {}) =>
  api.post('/img2img', {
    prompt: 'a lighthouse',
    image: typeof image === 'string' ? image : image.toString('base64'),
    ...fields,
  });

function asForm(fields: Record<string, string>, files: readonly [field: string, data: Buffer, type: string][] = []) {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  for (const [field, data, type] of files) form.append(field, new Blob([new Uint8Array(data)], { type }), 'file');
  return fetch(`${api.url}/img2img`, { method: 'POST', body: form });
}

async function accepted(answer: Response | Promise<Response>): Promise<Job> {
  const settled = await answer;
  if (settled.status !== 202) throw new Error(`not accepted: ${await settled.text()}`);
  return (await settled.json()) as Job;
}

const stored = (job: Job) => readFile(join(api.framesDir, 'inputs', inputName(job.request.image?.sha256 ?? '')));

describe('POST /img2img', () => {
  it('accepts the picture as base64 and stores its normalised form under its hash', async () => {
    const job = await accepted(asJson(png, { lod: 'final', denoise: 0.25, seed: '18446744073709551615' }));
    const kept = await stored(job);
    expect(job).toMatchObject({
      kind: 'img2img',
      status: 'queued',
      seed: '18446744073709551615',
      request: {
        workflow: 'img2img',
        denoise: 0.25,
        image: { sha256: createHash('sha256').update(kept).digest('hex'), width: 800, height: 400 },
      },
    });
    expect(await sharp(kept).metadata()).toMatchObject({ format: 'png', width: 800, height: 400 });
  });

  it("keeps the picture's shape with the profile's area, in multiples of 8", async () => {
    const { width = 0, height = 0 } = (await accepted(asJson(png, { lod: 'final' }))).request;
    expect([width % 8, height % 8]).toEqual([0, 0]);
    expect(Math.abs(width / height - 2)).toBeLessThan(0.05);
    expect(Math.abs(width * height - 1024 * 640) / (1024 * 640)).toBeLessThan(0.05);
  });

  it.each([
    ['image/png', (data: Buffer) => `data:image/png;base64,${data.toString('base64')}`],
    ['no type', (data: Buffer) => `data:;base64,${data.toString('base64')}`],
    ['an upper-case scheme', (data: Buffer) => `DATA:image/PNG;BASE64,${data.toString('base64')}`],
    ['broken lines', (data: Buffer) => data.toString('base64').replaceAll(/(.{76})/g, '$1\r\n')],
    ['the URL alphabet without padding', (data: Buffer) => data.toString('base64url')],
  ])('accepts the picture as text with %s', async (_, write) => {
    expect((await accepted(asJson(write(png)))).request.image).toMatchObject({ width: 800, height: 400 });
  });

  it('accepts a form, in which numbers and metadata are text', async () => {
    const fields = {
      steps: '12',
      cfg: '3.5',
      seed: '18446744073709551615',
      priority: '-1',
      metadata: '{"scene":"12"}',
    };
    const job = await accepted(asForm({ prompt: '12', width: '512', ...fields }, [['image', png, 'image/png']]));
    expect(job.request).toMatchObject({
      prompt: '12',
      steps: 12,
      cfg: 3.5,
      seed: '18446744073709551615',
      width: 512,
      height: 256,
      priority: -1,
    });
    expect(job.metadata).toEqual({ scene: '12' });
  });

  it('starts from a frame made here, under its filename', async () => {
    const source = frameName(newId(), 1);
    await api.frames.put(source, [png], { signal: new AbortController().signal });
    const job = await accepted(api.post('/img2img', { prompt: 'x', source }));
    expect(job.request.image).toMatchObject({ width: 800, height: 400, source });
    expect((await accepted(asForm({ prompt: 'x', source }))).request.image).toEqual(job.request.image);
  });

  it.each(['jpeg', 'webp', 'gif'] as const)('starts from a frame made here that is a %s', async (type) => {
    const source = frameName(newId(), 1, type);
    const frame = await pictures.plain(80, 40, 'red').toFormat(type).toBuffer();
    await api.frames.put(source, [frame], { signal: new AbortController().signal });
    const job = await accepted(api.post('/img2img', { prompt: 'x', source }));
    expect(job.request.image).toMatchObject({ width: 80, height: 40, source });
  });

  it('stores the same picture once, no matter how it is sent', async () => {
    const data = await pictures.plain(64, 64, 'green').webp({ lossless: true }).toBuffer();
    const first = await accepted(asJson(data));
    const path = join(api.framesDir, 'inputs', inputName(first.request.image?.sha256 ?? ''));
    const { ino } = await stat(path);
    const second = await accepted(asForm({ prompt: 'x' }, [['image', data, 'image/webp']]));
    expect(second.request.image).toEqual(first.request.image);
    expect((await stat(path)).ino).toBe(ino);
    expect((await readdir(join(api.framesDir, 'inputs'))).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('the stored form of a picture', () => {
  it.each(pictures.ORIENTATIONS)('is upright for the EXIF orientation %i', async (orientation, corners) => {
    const job = await accepted(asJson(await pictures.corners(orientation)));
    expect(await pictures.readCorners(await stored(job))).toEqual(corners);
    const turned = orientation >= 5;
    expect(job.request.image).toMatchObject(turned ? { width: 40, height: 80 } : { width: 80, height: 40 });
  });

  it('has no metadata', async () => {
    const data = await pictures
      .plain(80, 40, 'red')
      .withExif({ IFD0: { Artist: 'somebody', ImageDescription: 'at home' } })
      .withIccProfile('p3')
      .jpeg()
      .toBuffer();
    expect(data.toString('latin1')).toContain('somebody');
    const kept = await stored(await accepted(asJson(data)));
    expect(await sharp(kept).metadata()).not.toHaveProperty('exif');
    expect(await sharp(kept).metadata()).not.toHaveProperty('icc');
    expect(kept.toString('latin1')).not.toMatch(/somebody|at home|eXIf|iCCP|tEXt|iTXt/);
  });

  it.each([
    ['a transparent PNG', () => pictures.transparent()],
    ['a 16-bit PNG', () => pictures.plain(80, 40, 'white').toColourspace('rgb16').png().toBuffer()],
    ['a grey PNG', () => pictures.plain(80, 40, 'white').toColourspace('b-w').png().toBuffer()],
    ['a palette PNG', () => pictures.plain(80, 40, 'white').png({ palette: true }).toBuffer()],
    ['a CMYK JPEG', () => pictures.plain(80, 40, 'white').toColourspace('cmyk').jpeg().toBuffer()],
    ['an animated WebP, its first frame', () => pictures.animated('white', 'red')],
  ])('is an 8-bit sRGB PNG without alpha, white where it was white or transparent: %s', async (_, make) => {
    const kept = await stored(await accepted(asJson(await make())));
    const { format, depth, space, hasAlpha, width, height } = await sharp(kept).metadata();
    expect({ format, depth, space, hasAlpha, width, height }).toEqual({
      format: 'png',
      depth: 'uchar',
      space: 'srgb',
      hasAlpha: false,
      width: 80,
      height: 40,
    });
    const { channels } = await sharp(kept).stats();
    for (const { min } of channels.slice(0, 3)) expect(min).toBeGreaterThanOrEqual(250);
  });
});

describe('a picture that cannot be used', () => {
  it.each([
    ['no picture', async () => Buffer.from('hello, this is no picture')],
    ['a GIF', () => pictures.plain(8, 8, 'red').gif().toBuffer()],
    ['a TIFF', () => pictures.plain(8, 8, 'red').tiff().toBuffer()],
    ['an SVG', async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>')],
    ['a signature with nothing behind it', async () => Buffer.from('89504e470d0a1a0a', 'hex')],
    ['half a PNG', async () => pictures.half(await pictures.noise().png().toBuffer())],
    ['half a JPEG', async () => pictures.half(await pictures.noise().jpeg().toBuffer())],
    ['half a WebP', async () => pictures.half(await pictures.noise().webp().toBuffer())],
    ['a PNG with garbage in it', async () => pictures.scratched(await pictures.noise().png().toBuffer())],
  ])('is 422 invalid_image: %s', async (_, make) => {
    const answer = await asJson(await make());
    expect(answer.status).toBe(422);
    expect(await problemOf(answer)).toMatchObject({ code: 'invalid_image', errors: [{ pointer: '/image' }] });
  });

  it.each(['image/jpeg', 'text/plain', ''])('is told by its bytes, also when a PNG claims to be %j', async (type) => {
    expect((await asForm({ prompt: 'x' }, [['image', png, type]])).status).toBe(202);
    expect((await asJson(`data:${type};base64,${png.toString('base64')}`)).status).toBe(202);
  });

  it.each(['data:image/png,notbase64', 'data:image/png;base64', 'data:', '@@@', '=', '   '])(
    'is 422 when the text is %j',
    async (text) => {
      const answer = await asJson(text);
      expect(answer.status).toBe(422);
      expect((await problemOf(answer)).code).toBe('invalid_image');
    },
  );

  it('is 422 with 41 megapixels, before it is unpacked', async () => {
    const bomb = await pictures.plain(8200, 5000, 'black').png({ compressionLevel: 9 }).toBuffer();
    expect(bomb.length).toBeLessThan(300_000);
    const answer = await asJson(bomb);
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).detail).toBe('The picture has 8200×5000 pixels; at most 40000000 are allowed.');
  });

  it('is 413 with too many bytes, as text and as a file', async () => {
    const large = Buffer.concat([png, Buffer.alloc(300_001 - png.length)]);
    const huge = Buffer.concat([png, Buffer.alloc(500_000)]);
    const answers = [await asJson(large), await asJson(huge)];
    for (const data of [large, huge]) answers.push(await asForm({ prompt: 'x' }, [['image', data, 'image/png']]));
    for (const answer of answers) {
      expect(answer.status).toBe(413);
      expect((await problemOf(answer)).code).toBe('body_too_large');
    }
    expect((await asJson(large.subarray(0, 300_000))).status).toBe(202);
  });

  it('creates no job when it cannot be stored, and does not reveal the storage location', async () => {
    const broken = await startApi(inject('redisUrl'));
    try {
      await writeFile(join(broken.framesDir, 'inputs'), 'a file where the folder should be');
      const answer = await broken.post('/img2img', { prompt: 'x', image: png.toString('base64') });
      expect(answer.status).toBe(507);
      const text = await answer.text();
      expect(JSON.parse(text)).toMatchObject({ code: 'storage_failed', status: 507 });
      expect(text).not.toContain(broken.framesDir);
      const { pools } = (await (await broken.get('/health')).json()) as { pools: object[] };
      expect(pools).toEqual([]);
      expect(JSON.stringify(broken.logged.filter((line) => line.level === 'warn'))).toContain(broken.framesDir);
      await rm(join(broken.framesDir, 'inputs'));
    } finally {
      await broken.close();
    }
  });
});

describe('the fields of POST /img2img', () => {
  it.each<[string, object]>([
    ['is required, unless you give image_url or source', {}],
    ['give only one of image, image_url and source', { image: 'aGVsbG8=', source: frameName(newId(), 1) }],
  ])('says "%s" of the picture, together with every other fault', async (detail, fields) => {
    const { errors } = await problemOf(await api.post('/img2img', { steps: 0, denoise: 1.1, ...fields }));
    expect(errors).toContainEqual({ pointer: '/image', detail });
    expect(errors?.map(({ pointer }) => pointer).sort()).toEqual(['/denoise', '/image', '/prompt', '/steps']);
  });

  it.each([
    [frameName(newId(), 1), /picture that does not exist/],
    ['../secret.png', /filename of a picture made here/],
    [`inputs/${inputName('a'.repeat(64))}`, /filename of a picture made here/],
    [`http://127.0.0.1/images/${frameName(newId(), 1)}`, /filename of a picture made here/],
  ])('answers 422 at /source to %s', async (source, detail) => {
    const answer = await api.post('/img2img', { prompt: 'x', source });
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).errors).toEqual([{ pointer: '/source', detail: expect.stringMatching(detail) }]);
  });

  it('answers 422 at /source to a frame of more than MAX_IMAGE_BYTES', async () => {
    const source = frameName(newId(), 1);
    await api.frames.put(source, [Buffer.alloc(300_001)], { signal: new AbortController().signal });
    const problem = await problemOf(await api.post('/img2img', { prompt: 'x', source }));
    const detail = 'The picture has 300001 bytes; at most 300000 are allowed (MAX_IMAGE_BYTES).';
    expect(problem).toMatchObject({ code: 'invalid_image', errors: [{ pointer: '/source', detail }] });
  });

  it.each<[Record<string, string>, string, RegExp]>([
    [{ steps: '12abc' }, '/steps', /whole number/],
    [{ steps: '' }, '/steps', /whole number/],
    [{ steps: '151' }, '/steps', /150 or less/],
    [{ cfg: 'high' }, '/cfg', /a number/],
    [{ seed: '18446744073709551616' }, '/seed', /18446744073709551615/],
    [{ metadata: 'scene 12' }, '/metadata', /an object/],
    [{ metadata: '{"scene":12}' }, '/metadata/scene', /a string/],
    [{ denois: '0.5' }, '/denois', /did you mean denoise\?/],
  ])('answers 422 to the form field %j', async (fields, pointer, detail) => {
    const answer = await asForm({ prompt: 'x', ...fields }, [['image', png, 'image/png']]);
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).errors).toEqual([{ pointer, detail: expect.stringMatching(detail) }]);
  });

  it('answers 422 to a field that is sent twice', async () => {
    const form = new FormData();
    for (const value of ['8', '9']) form.append('steps', value);
    form.append('prompt', 'x');
    form.append('image', new Blob([new Uint8Array(png)], { type: 'image/png' }), 'file');
    const answer = await fetch(`${api.url}/img2img`, { method: 'POST', body: form });
    expect((await problemOf(answer)).errors).toMatchObject([{ pointer: '/steps' }]);
  });

  it('answers 422 to a file in another field and to a second picture', async () => {
    const other = await asForm({ prompt: 'x' }, [['img', png, 'image/png']]);
    const two = await asForm({ prompt: 'x' }, [
      ['image', png, 'image/png'],
      ['image', png, 'image/png'],
    ]);
    expect([other.status, two.status]).toEqual([422, 422]);
    expect((await problemOf(other)).errors).toEqual([{ pointer: '/img', detail: expect.stringContaining('"image"') }]);
    expect((await problemOf(two)).errors).toEqual([{ pointer: '/image', detail: 'send one file only' }]);
  });

  it('answers 413 to a text field that is too large and to too many fields', async () => {
    const long = await asForm({ prompt: 'x'.repeat(20_001) });
    const many = await asForm(Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`field${n}`, 'x'])));
    expect([long.status, many.status]).toEqual([413, 413]);
    expect((await problemOf(many)).code).toBe('body_too_large');
  });

  it.each([
    ['--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nhalf', 'multipart/form-data; boundary=x'],
    ['--x--', 'multipart/form-data'],
    ['--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--', 'multipart/form-data; boundary=x'],
  ])('answers 400 to the broken form %j', async (body, type) => {
    const answer = await fetch(`${api.url}/img2img`, { method: 'POST', body, headers: { 'Content-Type': type } });
    expect(answer.status).toBe(400);
    expect((await problemOf(answer)).code).toBe('malformed_request');
  });

  it('answers 415 to the bare bytes of a picture', async () => {
    const answer = await fetch(`${api.url}/img2img`, {
      method: 'POST',
      body: new Uint8Array(png),
      headers: { 'Content-Type': 'image/png' },
    });
    expect(answer.status).toBe(415);
    expect((await problemOf(answer)).detail).toContain('application/json or multipart/form-data');
  });

  it('does not count an upload that its caller aborts as an internal error', async () => {
    const socket = connect(api.port, '127.0.0.1');
    const body = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nhalf';
    const head = 'POST /img2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n';
    await new Promise((resolve) => socket.write(`${head}Content-Length: 100000\r\n\r\n${body}`, resolve));
    socket.destroy();
    const isIt = (line: Record<string, unknown>) => line.message === 'request' && line.aborted === true;
    await until('the line of the request', () => api.logged.some(isIt));
    expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
