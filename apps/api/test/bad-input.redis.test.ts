import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { overrides: { http: { maxJsonBytes: 16_384 } } });
});
afterAll(() => api.close());

const raw = (body: string | ArrayBuffer, headers: Record<string, string> = { 'Content-Type': 'application/json' }) =>
  fetch(`${api.url}/generate`, { method: 'POST', body, headers });

describe('a body that cannot be read', () => {
  it.each(['{"prompt": ', '{prompt: "x"}', 'hello', '{"prompt":"a"} b'])('answers 400 to %j', async (body) => {
    const answer = await raw(body);
    expect(answer.status).toBe(400);
    expect(await problemOf(answer)).toMatchObject({
      type: 'urn:comfy-fleet:problem:malformed_json',
      title: 'The body is not valid JSON',
      status: 400,
      code: 'malformed_json',
      instance: '/generate',
    });
  });

  it('answers 413 to a body that is too large, and serves the next request', async () => {
    const answer = await raw(JSON.stringify({ prompt: 'x'.repeat(20_000) }));
    expect(answer.status).toBe(413);
    expect((await problemOf(answer)).code).toBe('body_too_large');
    expect((await raw('{"prompt":"x"}')).status).toBe(202);
  });

  it('answers 413 to a body of undeclared length that is too large', async () => {
    const body = new Blob(['{"prompt":"', 'x'.repeat(50_000), '"}']).stream();
    const answer = await fetch(`${api.url}/generate`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json' },
      duplex: 'half',
    });
    expect(answer.status).toBe(413);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'answers 415 to %s',
    async (type) => {
      const answer = await raw('{"prompt":"x"}', { 'Content-Type': type });
      expect(answer.status).toBe(415);
      expect((await problemOf(answer)).code).toBe('unsupported_media_type');
    },
  );

  it('answers 415 to a body without a content type', async () => {
    const answer = await fetch(`${api.url}/generate`, { method: 'POST', body: new Uint8Array([123, 125]) });
    expect(answer.status).toBe(415);
  });

  it('names the missing prompt when there is no body at all', async () => {
    const answer = await fetch(`${api.url}/generate`, { method: 'POST' });
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).errors).toEqual([{ pointer: '/prompt', detail: 'is required' }]);
  });
});

describe('a text that is not valid Unicode', () => {
  const detail = 'has half of a surrogate pair, which is not a character; send valid Unicode';
  it.each([
    ['{"prompt":"a \\ud800 b"}', '/prompt'],
    ['{"prompt":"x","checkpoint":"\\udc00"}', '/checkpoint'],
    ['{"prompt":"x","webhook_url":"http://a.example/\\ud83d"}', '/webhook_url'],
    ['{"prompt":"x","webhook":{"url":"http://a.example/\\ud83d"}}', '/webhook/url'],
    ['{"prompt":"x","metadata":{"a":"\\ud800"}}', '/metadata/a'],
    ['{"prompt":"x","metadata":{"\\ud800":"a"}}', '/metadata'],
  ])('is refused: %s', async (body, pointer) => {
    const answer = await raw(body);
    expect(answer.status).toBe(422);
    expect(await problemOf(answer)).toMatchObject({ code: 'validation_failed', errors: [{ pointer, detail }] });
  });

  it('is refused in one job of a batch', async () => {
    const answer = await api.post('/jobs/batch', { jobs: [{ prompt: 'x' }, { prompt: '\ud800' }] });
    expect((await problemOf(answer)).errors).toEqual([{ pointer: '/jobs/1/prompt', detail }]);
  });

  it('is accepted with complete characters beyond the Basic Multilingual Plane', async () => {
    expect((await raw('{"prompt":"\\ud83d\\ude80"}')).status).toBe(202);
  });
});

describe('a body with invalid fields', () => {
  it.each<[object, string, RegExp]>([
    [{ prompt: undefined }, '/prompt', /required/],
    [{ prompt: '' }, '/prompt', /empty/],
    [{ prompt: 5 }, '/prompt', /a string/],
    [{ prompt: 'x'.repeat(4001) }, '/prompt', /at most 4000 characters/],
    [{ negative_prompt: 'x'.repeat(4001) }, '/negative_prompt', /at most 4000/],
    [{ lod: 'medium' }, '/lod', /sketch, mid, final, direct_final/],
    [{ steps: 0 }, '/steps', /1 or more/],
    [{ steps: 151 }, '/steps', /150 or less/],
    [{ steps: 1.5 }, '/steps', /whole number/],
    [{ steps: '20' }, '/steps', /whole number/],
    [{ steps: null }, '/steps', /whole number/],
    [{ cfg: -0.1 }, '/cfg', /0 or more/],
    [{ cfg: 31 }, '/cfg', /30 or less/],
    [{ sampler: '' }, '/sampler', /empty/],
    [{ scheduler: 3 }, '/scheduler', /a string/],
    [{ width: 63 }, '/width', /64 or more|multiple of 8/],
    [{ width: 100 }, '/width', /multiple of 8/],
    [{ height: 2056 }, '/height', /2048 or less/],
    [{ count: 9 }, '/count', /8 or less/],
    [{ priority: 3 }, '/priority', /2 or less/],
    [{ priority: -3 }, '/priority', /-2 or more/],
    [{ checkpoint: ['a'] }, '/checkpoint', /a string/],
    [{ seed: -1 }, '/seed', /0 or more/],
    [{ seed: 1.5 }, '/seed', /whole number/],
    [{ seed: 2 ** 53 }, '/seed', /write it as a string/],
    [{ seed: '18446744073709551616' }, '/seed', /18446744073709551615/],
    [{ seed: '-5' }, '/seed', /0 to 2\^64/],
    [{ seed: '0x10' }, '/seed', /0 to 2\^64/],
    [{ seed: true }, '/seed', /whole number or a string/],
    [{ metadata: { a: 1 } }, '/metadata/a', /a string/],
    [{ metadata: [] }, '/metadata', /an object/],
    [{ metadata: { note: 'x'.repeat(1024) } }, '/metadata', /1024 bytes/],
    [{ metadata: { 'a/b~c': null } }, '/metadata/a~1b~0c', /a string/],
    [{ image: 'aGVsbG8=' }, '/image', /unknown field/],
  ])('answers 422 to %j and points at %s', async (fields, pointer, detail) => {
    const answer = await api.post('/generate', { prompt: 'a lighthouse', ...fields });
    expect(answer.status).toBe(422);
    const problem = await problemOf(answer);
    expect(problem.code).toBe('validation_failed');
    expect(problem.errors).toContainEqual({ pointer, detail: expect.stringMatching(detail) });
    expect(problem.detail).toContain(pointer);
  });

  it('refuses the JSON number 18446744073709551615 as a seed, because JSON parsers round it', async () => {
    const answer = await raw('{"prompt":"x","seed":18446744073709551615}');
    expect((await problemOf(answer)).errors).toEqual([
      { pointer: '/seed', detail: expect.stringContaining('write it as a string') },
    ]);
  });

  it.each([
    ['negativ_prompt', 'did you mean negative_prompt?'],
    ['negativePrompt', 'did you mean negative_prompt?'],
    ['Steps', 'did you mean steps?'],
    ['cfg_scale', 'did you mean cfg?'],
    ['sampler_name', 'did you mean sampler?'],
    ['heigth', 'did you mean height?'],
    ['__proto__', 'the fields are prompt, negative_prompt, lod'],
    ['nonsense_of_my_own', 'the fields are prompt, negative_prompt, lod'],
  ])('names the unknown field %s and says: %s', async (field, words) => {
    const answer = await raw(`{"prompt":"x","${field}":1}`);
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).errors).toEqual([
      { pointer: `/${field}`, detail: expect.stringContaining(words) },
    ]);
  });

  it('reports every fault at once', async () => {
    const { errors } = await problemOf(await api.post('/generate', { steps: 0, cfg: 99, colour: 'red' }));
    expect(errors?.map(({ pointer }) => pointer).sort()).toEqual(['/cfg', '/colour', '/prompt', '/steps']);
  });

  it.each(['[]', '"text"', '5', 'true', 'null'])('answers 422 to %s instead of an object', async (body) => {
    const answer = await raw(body);
    expect(answer.status).toBe(422);
    expect((await problemOf(answer)).code).toBe('validation_failed');
  });
});

describe('a body of junk', () => {
  const junk = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n}`, 0]));

  it.each([
    ['at the top level', () => junk(300), ''],
    ['in its metadata', () => ({ prompt: 'x', metadata: junk(300) }), '/metadata'],
  ])('with far too many fields %s is refused with a single fault', async (_, body, pointer) => {
    const answer = await raw(JSON.stringify(body()));
    expect(answer.status).toBe(422);
    const detail = 'has 300 entries; at most 100 are allowed';
    expect((await problemOf(answer)).errors).toEqual([{ pointer, detail }]);
  });

  it('that is as large as a picture but consists of small values is refused before it is parsed', async () => {
    const body = JSON.stringify({ prompt: 'x', image: Array.from({ length: 1_200_000 }, () => 0) });
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${api.url}/img2img`, { method: 'POST', headers, body });
    expect([answer.status, (await problemOf(answer)).code]).toEqual([413, 'body_too_large']);
  });
});

describe('addresses and methods', () => {
  it.each(['/nothing', '/generate/x', '/images', '/images/a/b'])('answers 404 to GET %s', async (path) => {
    const answer = await api.get(path);
    expect(answer.status).toBe(404);
    expect(await problemOf(answer)).toMatchObject({ code: 'not_found', instance: path });
  });

  it.each([
    ['GET', '/generate', 'POST, OPTIONS'],
    ['PUT', '/img2img', 'POST, OPTIONS'],
    ['DELETE', '/generate', 'POST, OPTIONS'],
    ['PUT', '/jobs/0198b5c0-0000-7000-8000-000000000000', 'GET, HEAD, DELETE, OPTIONS'],
    ['POST', '/lods', 'GET, HEAD, OPTIONS'],
    ['GET', '/jobs/0198b5c0-0000-7000-8000-000000000000/cancel', 'POST, OPTIONS'],
  ])('answers 405 to %s %s with Allow: %s', async (method, path, allow) => {
    const answer = await fetch(api.url + path, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe(allow);
    expect((await problemOf(answer)).code).toBe('method_not_allowed');
  });

  it('answers OPTIONS with the allowed methods', async () => {
    const answer = await fetch(`${api.url}/lods`, { method: 'OPTIONS' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
  });

  it('answers 400 to a path that cannot be decoded', async () => {
    const socket = connect(api.port, '127.0.0.1');
    socket.write('GET /images/%ff%c0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"malformed_request"');
  });
});

describe('a response', () => {
  it('has the headers that protect browsers, and does not name the framework', async () => {
    const { headers } = await api.get('/lods');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('is logged in one line, with the job that the request created', async () => {
    const { id } = await api.accepted();
    await api.get('/no/such/thing?secret=1');
    const lines = api.logged.filter((line) => line.message === 'request');
    expect(lines).toContainEqual(
      expect.objectContaining({ method: 'POST', path: '/generate', status: 202, job: id, ms: expect.any(Number) }),
    );
    const missing = lines.filter((line) => line.path === '/no/such/thing');
    expect(missing).toEqual([expect.objectContaining({ level: 'info', method: 'GET', status: 404 })]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });
});
