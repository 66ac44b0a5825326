import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { newId } from '@comfy-fleet/contracts';
import { frameName, inputName } from '@comfy-fleet/frames';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';

const data = randomBytes(100_000);
const etag = `"${createHash('sha256').update(data).digest('hex')}"`;
const name = frameName(newId(), 1);

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
  const { signal } = new AbortController();
  await api.frames.put(name, [data], { signal });
  await api.inputs.put(inputName('a'.repeat(64)), [data], { signal });
  await writeFile(join(api.framesDir, 'secret.png'), 'secret');
});
afterAll(() => api.close());

const image = (headers: Record<string, string> = {}, method = 'GET') =>
  api.get(`/images/${name}`, { headers: { 'Accept-Encoding': 'identity', ...headers }, method });
const bytes = async (answer: Response) => Buffer.from(await answer.arrayBuffer());

describe('GET /images/:filename', () => {
  it.each(['jpeg', 'webp', 'gif'] as const)('serves a %s with its own content type', async (type) => {
    const own = frameName(newId(), 1, type);
    await api.frames.put(own, [data], { signal: new AbortController().signal });
    const answer = await api.get(`/images/${own}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, `image/${type}`]);
    expect(await bytes(answer)).toEqual(data);
  });

  it('serves the picture with the headers that caches need', async () => {
    const answer = await image();
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': '100000',
      etag,
      'cache-control': 'public, max-age=31536000, immutable',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'cross-origin',
    });
    expect(await bytes(answer)).toEqual(data);
  });

  it('answers HEAD with the same headers and no body', async () => {
    const answer = await image({}, 'HEAD');
    expect([answer.status, answer.headers.get('content-length'), answer.headers.get('etag')]).toEqual([
      200,
      '100000',
      etag,
    ]);
    expect(await bytes(answer)).toHaveLength(0);
  });

  it.each([etag, `W/${etag}`, `"other", ${etag}`, '*'])('answers 304 to If-None-Match: %s', async (tag) => {
    const answer = await image({ 'If-None-Match': tag, Range: 'bytes=0-1' });
    expect(answer.status).toBe(304);
    expect(answer.headers.get('etag')).toBe(etag);
    expect(answer.headers.get('cache-control')).toContain('immutable');
    expect(await bytes(answer)).toHaveLength(0);
  });

  it('serves the picture when If-None-Match has another ETag', async () => {
    expect((await image({ 'If-None-Match': '"other"' })).status).toBe(200);
  });

  it.each([
    ['bytes=0-99', 0, 99],
    ['bytes=99990-', 99_990, 99_999],
    ['bytes=-10', 99_990, 99_999],
    ['bytes=99999-200000', 99_999, 99_999],
  ])('answers 206 to Range: %s', async (range, start, end) => {
    const answer = await image({ Range: range });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end}/100000`);
    expect(answer.headers.get('content-length')).toBe(`${end - start + 1}`);
    expect(await bytes(answer)).toEqual(data.subarray(start, end + 1));
  });

  it.each(['bytes=100000-', 'bytes=200000-300000', 'bytes=-0'])('answers 416 to Range: %s', async (range) => {
    const answer = await image({ Range: range });
    expect(answer.status).toBe(416);
    expect(answer.headers.get('content-range')).toBe('bytes */100000');
    expect((await problemOf(answer)).code).toBe('range_not_satisfiable');
  });

  it.each(['lines=1-2', 'bytes=x', 'bytes=0-1,50-60', 'bytes=-200000'])(
    'serves the whole picture for Range: %s',
    async (range) => {
      const answer = await image({ Range: range });
      expect(answer.status).toBe(200);
      expect(await bytes(answer)).toEqual(data);
    },
  );

  it('serves a range only when If-Range has the ETag of the picture', async () => {
    expect((await image({ Range: 'bytes=0-9', 'If-Range': etag })).status).toBe(206);
    expect((await image({ Range: 'bytes=0-9', 'If-Range': '"other"' })).status).toBe(200);
    expect((await image({ Range: 'bytes=0-9', 'If-Range': 'Wed, 21 Oct 2026 07:28:00 GMT' })).status).toBe(200);
  });

  it.each([
    ['width=65', ['/width']],
    ['width=', ['/width']],
    ['width=-64', ['/width']],
    ['width=64&width=128', ['/width']],
    ['format=gif', ['/format']],
    ['format=__proto__', ['/format']],
    ['width=1e3&format=', ['/width', '/format']],
  ])('answers 422 to ?%s', async (query, pointers) => {
    const answer = await api.get(`/images/${name}?${query}`);
    expect(answer.status).toBe(422);
    expect(new Set((await problemOf(answer)).errors?.map(({ pointer }) => pointer))).toEqual(new Set(pointers));
  });

  it.each([
    frameName(newId(), 1),
    name.replace('_1', '_2'),
    'secret.png',
    '..%2fsecret.png',
    '%2e%2e%2fsecret.png',
    '..%5csecret.png',
    `${name}%00`,
    `${name}%00.png`,
    `.%2f${name}`,
    `inputs%2f${inputName('a'.repeat(64))}`,
    inputName('a'.repeat(64)),
    '%2fetc%2fpasswd',
    '.test.0123456789abcdef.tmp',
    '~',
  ])('answers 404 image_not_found to %s', async (file) => {
    const answer = await api.get(`/images/${file}`);
    expect(answer.status).toBe(404);
    expect((await problemOf(answer)).code).toBe('image_not_found');
  });

  it.each([`/images/../images/${name}`, `/images/inputs/${inputName('a'.repeat(64))}`, '/images/../../etc/passwd'])(
    'answers 404 to the raw path %s',
    async (path) => {
      const socket = connect(api.port, '127.0.0.1');
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 404 /);
    },
  );
});
