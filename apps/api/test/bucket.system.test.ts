import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { get as httpGet, request as httpRequest, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { Health, Job } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import { type Gate, type S3Server, startGate, startS3Server, until } from '@comfy-fleet/testing';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';
import * as pictures from './pictures.js';

let server: S3Server;
let gate: Gate;
let api: TestApi;

beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.close());
beforeEach(async () => {
  for (const [name, value] of Object.entries(server.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, value);
  gate = await startGate(server.port);
});
afterEach(async () => {
  await api.close();
  await gate.close().catch(() => undefined); // a test may have done so
});

async function start(env: Record<string, string> = {}, more: Parameters<typeof startApi>[1] = {}): Promise<TestApi> {
  const options = { ...more, env: { ...server.env, S3_ENDPOINT: gate.url, FRAMES_DIR: '/nowhere/frames', ...env } };
  api = await startApi(inject('redisUrl'), options);
  return api;
}

/** Sends a request without the headers that browsers and Node's fetch add. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpRequest(api.url + path, { method, headers }, resolve)
      .once('error', reject)
      .end();
  });
}

const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex');

async function finished(headers: RequestInit = {}): Promise<Job> {
  const { id } = (await (await api.post('/generate', { prompt: 'a lighthouse' }, headers)).json()) as Job;
  await finishJob(api, id);
  return (await (await api.get(`/jobs/${id}`, headers)).json()) as Job;
}

describe('an API whose pictures are in a bucket', () => {
  it('serves a picture as a whole, by range, by HEAD, by entity tag and in a smaller size', async () => {
    await start();
    const path = (await finished()).image_url ?? '';
    const whole = await api.get(path);
    const data = Buffer.from(await whole.arrayBuffer());
    const etag = `"${digest(data)}"`;
    expect([whole.status, whole.headers.get('etag')]).toEqual([200, etag]);
    expect((await sharp(data).metadata()).width).toBe(96);
    const part = await api.get(path, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 10-19/${data.length}`]);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(data.subarray(10, 20));
    const head = await api.get(path, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, `${data.length}`]);
    expect((await api.get(path, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    const small = await api.get(`${path}?width=64&format=webp`);
    expect(small.status).toBe(200);
    expect(await sharp(await small.arrayBuffer()).metadata()).toMatchObject({ width: 64, format: 'webp' });
  });

  it('stores uploads in the bucket, once, and creates no local folder', async () => {
    await start();
    const image = (await pictures.plain(64, 64, 'red').png().toBuffer()).toString('base64');
    const jobs = await Promise.all(
      [1, 2].map(async () => (await (await api.post('/img2img', { prompt: 'a lighthouse', image })).json()) as Job),
    );
    const [first, second] = jobs.map((job) => job.request.image?.sha256 ?? '');
    expect(first).toBe(second);
    expect(await api.inputs.stat(inputName(`${first}`))).toMatchObject({ sha256: first });
    await expect(access('/nowhere')).rejects.toThrow('ENOENT');
  });

  it('accepts jobs no matter how little space its own disk has', async () => {
    await start({ MIN_FREE_BYTES: '1000000000000000' });
    expect((await api.post('/generate', { prompt: 'a lighthouse' })).status).toBe(202);
  });
});

describe('a bucket that cannot be reached', () => {
  it('is reported in /health with advice, and does not keep the API from accepting jobs', async () => {
    await start();
    const job = await finished();
    await gate.close();
    const health = (await (await api.get('/health')).json()) as Health;
    expect(health).toMatchObject({ status: 'degraded', redis: { status: 'up' }, storage: { status: 'down' } });
    expect(health.reasons[0]).toMatch(/^Pictures cannot be stored or read: http.* cannot be reached .*S3_ENDPOINT/);
    expect(api.logged.map(({ message }) => message)).toContain('pictures cannot be stored or read');
    expect((await api.get(`/jobs/${job.id}`)).status).toBe(200);
    expect((await api.get('/jobs')).status).toBe(200);
    expect((await api.post('/generate', { prompt: 'a lighthouse' })).status).toBe(202);
    expect((await api.get('/livez')).status).toBe(200);
    const readiness = await api.get('/readyz');
    expect([readiness.status, await readiness.json()]).toEqual([
      200,
      { status: 'ok', reasons: ['Pictures cannot be stored or read at the moment; GET /health says why'] },
    ]);
  });

  it('makes requests for pictures and uploads fail without revealing its address', async () => {
    await start();
    const path = (await finished()).image_url ?? '';
    await gate.close();
    const image = (await pictures.plain(64, 64, 'blue').png().toBuffer()).toString('base64');
    for (const answer of [await api.get(path), await api.post('/img2img', { prompt: 'a lighthouse', image })]) {
      const told = await problemOf(answer);
      expect(told).toMatchObject({ code: 'storage_failed' });
      expect(JSON.stringify(told)).not.toMatch(new RegExp(`127\\.0\\.0\\.1|${server.bucket}|S3|AWS`));
    }
    const logged = JSON.stringify(api.logged.filter(({ level }) => level === 'warn' || level === 'error'));
    expect(logged).toContain('check S3_ENDPOINT');
    expect(logged).not.toContain(`${server.env.AWS_SECRET_ACCESS_KEY}`);
  });

  it('does not delay /readyz, which reports it as soon as it is known', async () => {
    await start();
    gate.shut();
    const reasons = async () => {
      const answer = await api.get('/readyz', { signal: AbortSignal.timeout(60_000) });
      return answer.status === 200 && ((await answer.json()) as { reasons: string[] }).reasons;
    };
    expect(await reasons()).toEqual([]);
    await until('the bucket is missed', async () => ((await reasons()) || []).length > 0, { everyMs: 100 });
  });
});

describe('S3_READS=presigned', () => {
  const presigned = { S3_READS: 'presigned' };

  it('redirects requests for a whole picture to the bucket', async () => {
    await start(presigned);
    const path = (await finished()).image_url ?? '';
    const { etag } = (await ask(path, {}, 'HEAD')).headers;
    const { statusCode, headers } = await ask(path);
    expect([statusCode, headers['cache-control'], headers['content-length']]).toEqual([302, 'no-store', '0']);
    expect(headers.location).toMatch(new RegExp(`^${gate.url}/.*[?&]X-Amz-Expires=300&`));
    const there = await new Promise<IncomingMessage>((resolve) => httpGet(`${headers.location}`, resolve));
    expect([there.statusCode, there.headers['content-type']]).toEqual([200, 'image/png']);
    expect(`"${digest(await buffer(there))}"`).toBe(etag);
    expect((await ask(`${path}?width=64&format=webp`)).headers.location).toContain('/derived/');
  });

  it.each([
    ['HEAD', {}, 'HEAD', 200],
    ['a range', { Range: 'bytes=0-9' }, 'GET', 206],
    ['a conditional request', { 'If-None-Match': '"other"' }, 'GET', 200],
    ['a script of a page', { 'Sec-Fetch-Mode': 'cors' }, 'GET', 200],
    ['a page of another origin', { Origin: 'https://studio.example' }, 'GET', 200],
    ['a key, which the bucket must not see', { 'X-API-Key': 'a' }, 'GET', 200],
  ])('serves %s without a redirect', async (_what, headers, method, status) => {
    await start(presigned);
    const path = (await finished()).image_url ?? '';
    const answer = await ask(path, headers, method);
    answer.resume();
    expect([answer.statusCode, answer.headers.location]).toEqual([status, undefined]);
    expect(answer.headers.etag).toMatch(/^"[0-9a-f]{64}"$/);
  });

  it('redirects no caller who may not see the picture, and to no link that outlives the signed one', async () => {
    await start({ ...presigned, SIGNED_URL_SECONDS: '600' }, { keys: [aKey('a')] });
    const { image_url } = await finished(as('a'));
    const [path = '', query = ''] = `${image_url}`.split('?');
    expect((await ask(path)).statusCode).toBe(401);
    expect((await ask(`${path}?${query.replace(/signature=.{4}/, 'signature=AAAA')}`)).statusCode).toBe(401);
    expect((await ask(`${path}?${query}`)).statusCode).toBe(302);
    vi.useFakeTimers({ toFake: ['Date'], now: Number(new URLSearchParams(query).get('expires')) * 1000 - 299_000 });
    try {
      const answer = await ask(`${path}?${query}`);
      answer.resume();
      expect([answer.statusCode, answer.headers.location]).toEqual([200, undefined]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('answers 404 itself when a picture no longer exists', async () => {
    await start(presigned);
    const path = (await finished()).image_url ?? '';
    await api.frames.delete(path.slice('/images/'.length));
    expect((await ask(path)).statusCode).toBe(404);
  });
});
