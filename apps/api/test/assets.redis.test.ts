import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { type ClientRequest, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type AssetList, type AssetView, FleetError, newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { animated, corners, half, plain } from './pictures.js';

let api: TestApi;
afterEach(() => api?.close());

async function start(options: Parameters<typeof startApi>[1] = {}): Promise<TestApi> {
  api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('bert')], ...options });
  return api;
}

const MP4 = Buffer.concat([
  Buffer.from('00000020667479706d703432000000006d7034316d70343269736f6d', 'hex'),
  Buffer.alloc(5000, 1),
]);

const send = (body: string | Buffer, { key = 'anna', type = 'application/octet-stream', query = '' } = {}) =>
  api.get(`/assets${query}`, {
    method: 'POST',
    body,
    headers: { ...as(key).headers, 'Content-Type': type },
  });
const sendForm = (file: Blob, filename: string, { field = 'file', key = 'anna' } = {}) => {
  const form = new FormData();
  form.append(field, file, filename);
  return api.get('/assets', { method: 'POST', body: form, ...as(key) });
};
const kept = async (answer: Response): Promise<AssetView> => {
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as AssetView;
};
/** The names of all files in the store, including half-written ones. */
const stored = () => readdir(join(api.framesDir, 'inputs')).catch(() => [] as string[]);

describe('POST /assets', () => {
  it('refuses a body in too many small chunks, and stores nothing', async () => {
    await start();
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write('POST /assets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer anna\r\n');
    socket.write(`Transfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(100_000)}`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 .*very small chunks/s);
    await until('nothing is stored', async () => (await stored()).length === 0);
  });

  it('stores a body unchanged under its BLAKE3, and answers the same asset when the body is sent again', async () => {
    await start();
    const first = await send('IETF', { type: 'text/plain', query: '?filename=a%20note.txt' });
    expect(first.status).toBe(201);
    const asset = await kept(first);
    // The test vector of BLAKE3's reference implementation.
    expect(asset).toMatchObject({
      hash: 'blake3:83a2de1ee6f4e6ab686889248f4ec0cf4cc5709446a682ffd1cbb4d6165181e2',
      kind: 'file',
      content_type: 'text/plain',
      bytes: 4,
      filename: 'a note.txt',
    });
    expect(first.headers.get('location')).toBe(`/assets/${asset.id}`);
    const again = await send('IETF', { query: '?filename=another.md' });
    expect(again.status).toBe(200);
    expect(await kept(again)).toMatchObject({ id: asset.id, filename: 'a note.txt' });
    expect(await stored()).toEqual([`${asset.hash.slice('blake3:'.length)}.txt`]);
  });

  it.each([
    ['a video', MP4, 'clip.mp4', { kind: 'video', content_type: 'video/mp4' }],
    ['a video with the name of a picture', MP4, 'clip.png', { kind: 'video', content_type: 'video/mp4' }],
    ['a WAV', Buffer.from(`RIFF\u0024\0\0\0WAVEfmt ${'\0'.repeat(40)}`, 'latin1'), 'a.wav', { kind: 'audio' }],
    [
      'a page',
      Buffer.from('<!doctype html><script>alert(1)</script>'),
      'x.html',
      { kind: 'file', content_type: 'text/html' },
    ],
    ['a model', randomBytes(100), 'lora.safetensors', { kind: 'file', content_type: 'application/octet-stream' }],
    ['an unknown type', randomBytes(100), 'x', { kind: 'file', content_type: 'application/octet-stream' }],
    ['a name with folders', Buffer.from('x'), '../../etc/passwd.txt', { filename: 'passwd.txt' }],
  ])('detects the type of %s from its bytes, or else from its name', async (_what, data, name, expected) => {
    await start();
    expect(await kept(await sendForm(new Blob([data]), name))).toMatchObject(expected);
  });

  it('measures a picture as it is shown upright, and stores it unchanged', async () => {
    await start();
    const picture = await corners(6);
    const asset = await kept(await sendForm(new Blob([picture]), 'phone.jpg'));
    expect(asset).toMatchObject({
      kind: 'image',
      content_type: 'image/jpeg',
      width: 40,
      height: 80,
      bytes: picture.length,
    });
    const animation = await kept(await send(await animated('red', 'blue')));
    expect(animation).toMatchObject({ kind: 'image', width: 80, height: 40 });
    expect(Buffer.from(await (await api.get(asset.url, as('anna'))).arrayBuffer()).equals(picture)).toBe(true);
  });

  it('refuses a picture with too many pixels or bytes, a broken one and an empty file, and stores nothing', async () => {
    await start({ env: { MAX_IMAGE_PIXELS: '5000', MAX_IMAGE_BYTES: '2000', MAX_ASSET_BYTES: '4000' } });
    const large = await plain(100, 60, 'red').png().toBuffer();
    expect(await problemOf(await send(large))).toMatchObject({ code: 'invalid_image', errors: [{ pointer: '/file' }] });
    const broken = half(await plain(8, 8, 'red').png().toBuffer()).subarray(0, 20);
    expect(await problemOf(await send(broken))).toMatchObject({ code: 'invalid_image' });
    const padded = Buffer.concat([await plain(8, 8, 'red').png().toBuffer(), Buffer.alloc(2000)]);
    expect(await problemOf(await send(padded))).toMatchObject({ code: 'body_too_large' });
    expect(await problemOf(await send(Buffer.alloc(4001)))).toMatchObject({ code: 'body_too_large' });
    expect(await problemOf(await sendForm(new Blob([Buffer.alloc(4001)]), 'a.bin'))).toMatchObject({
      code: 'body_too_large',
    });
    expect(await problemOf(await send(''))).toMatchObject({ code: 'validation_failed' });
    expect(await problemOf(await sendForm(new Blob([]), 'a.bin'))).toMatchObject({ code: 'validation_failed' });
    expect(await stored()).toEqual([]);
  });

  it('refuses a form with a file in another field, or with two files', async () => {
    await start();
    expect(await problemOf(await sendForm(new Blob(['x']), 'x', { field: 'image' }))).toMatchObject({
      errors: [{ pointer: '/image' }],
    });
    const form = new FormData();
    for (const name of ['a', 'b']) form.append('file', new Blob([name]), name);
    const answer = await api.get('/assets', { method: 'POST', body: form, ...as('anna') });
    expect(await problemOf(answer)).toMatchObject({ code: 'validation_failed', errors: [{ pointer: '/file' }] });
  });

  it("counts every upload against the key's bytes of the day, even of a file that it already has", async () => {
    await start({ keys: [aKey('anna', { limits: { upload_bytes_per_day: 10_000 } })] });
    await kept(await send(MP4));
    expect(await problemOf(await send(MP4))).toMatchObject({ code: 'upload_limit_reached' });
    expect((await send('small')).status).toBe(201);
  });

  it('refuses an upload while there is no disk space, before reading it', async () => {
    await start({ requireSpace: async () => Promise.reject(new FleetError('storage_full', 'full')) });
    expect(await problemOf(await send(MP4))).toMatchObject({ code: 'storage_full' });
  });

  it('deletes a half-written file when its sender disconnects', async () => {
    await start();
    const sending = upload(100_000);
    sending.write(Buffer.alloc(50_000));
    await until('the file is being written', async () => (await stored()).length === 1);
    sending.destroy();
    await until('the file is deleted', async () => (await stored()).length === 0);
  });

  it('deletes a half-written file at its next bytes if too little disk space is left', async () => {
    let isFull = false;
    const requireSpace = async () => {
      if (isFull) throw new FleetError('storage_full', 'full');
    };
    await start({ requireSpace });
    const sending = upload(100_000);
    sending.write(Buffer.alloc(50_000));
    await until('the file is being written', async () => (await stored()).length === 1);
    isFull = true;
    sending.write(Buffer.alloc(1));
    await until('the file is deleted', async () => (await stored()).length === 0);
    sending.destroy();
  });

  it('does not hold a large file in memory', async () => {
    // The file is larger than the memory limit for all uploads.
    await start({ overrides: { http: { maxUploadingBytes: 20 * 2 ** 20, maxUploadingBytesOfKey: 20 * 2 ** 20 } } });
    const size = 128 * 2 ** 20;
    const sending = upload(size);
    const answered = once(sending, 'response');
    const piece = Buffer.alloc(2 ** 20, 7);
    // The memory that was in use before.
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for (let sent = 0; sent < size; sent += piece.length) {
      if (!sending.write(piece)) await once(sending, 'drain');
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    sending.end();
    const [answer] = await answered;
    expect(answer.statusCode).toBe(201);
    expect(most).toBeLessThan(size / 2);
  });
});

function upload(bytes: number): ClientRequest {
  const headers = { ...as('anna').headers, 'Content-Length': bytes };
  const sending = httpRequest(`${api.url}/assets`, { method: 'POST', headers });
  sending.on('error', () => {}); // emitted when a test destroys the request
  return sending;
}

describe('an asset', () => {
  it('is visible only to the keys that sent it, and stored once', async () => {
    await start();
    const asset = await kept(await send(MP4));
    for (const path of [`/assets/${asset.id}`, asset.url]) {
      expect((await api.get(path, as('anna'))).status).toBe(200);
      expect(await problemOf(await api.get(path, as('bert')))).toMatchObject({ code: 'asset_not_found' });
      expect((await api.get(path)).status).toBe(401);
    }
    const remove = { method: 'DELETE' };
    expect((await api.get(`/assets/${asset.id}`, { ...remove, ...as('bert') })).status).toBe(404);
    const berts = await send(MP4, { key: 'bert' });
    expect(berts.status).toBe(201); // 201, so that bert cannot tell that another key has the file
    const bertsId = (await kept(berts)).id;
    expect(bertsId).not.toBe(asset.id);
    expect(await stored()).toHaveLength(1);
    expect((await api.get(`/assets/${asset.id}`, { ...remove, ...as('anna') })).status).toBe(204);
    expect((await api.get(`/assets/${asset.id}`, as('anna'))).status).toBe(404);
    expect((await api.get(`/assets/${bertsId}/content`, as('bert'))).status).toBe(200);
    expect(await api.keeper.sendersOf([asset.hash.slice('blake3:'.length)])).toMatchObject([[{ key: 'bert' }]]);
  });

  it('is in the list of its key, page by page', async () => {
    await start();
    const ids: string[] = [];
    for (const text of ['a', 'b', 'c']) ids.unshift((await kept(await send(text))).id);
    await send('d', { key: 'bert' });
    const page = async (query: string) => (await (await api.get(`/assets${query}`, as('anna'))).json()) as AssetList;
    const first = await page('?limit=2');
    expect(first).toMatchObject({ has_more: true, data: [{ id: ids[0] }, { id: ids[1] }] });
    const second = await page(`?limit=2&cursor=${first.next_cursor}`);
    expect(second).toMatchObject({ has_more: false, next_cursor: null, data: [{ id: ids[2] }] });
  });

  it('is served whole, in parts and for HEAD, with its digest as the ETag', async () => {
    await start();
    const { url, hash } = await kept(await sendForm(new Blob([MP4]), 'Über uns.mp4'));
    const get = (headers: Record<string, string>, method = 'GET') =>
      api.get(url, { method, headers: { ...as('anna').headers, ...headers } });
    const whole = await get({});
    const etag = `"${hash.slice('blake3:'.length)}"`;
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      etag,
      'content-type': 'video/mp4',
      'content-length': `${MP4.length}`,
      'content-disposition': expect.stringContaining("filename*=UTF-8''%C3%9Cber%20uns.mp4"),
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
    });
    expect(Buffer.from(await whole.arrayBuffer()).equals(MP4)).toBe(true);
    const part = await get({ Range: 'bytes=4-7' });
    expect(part.status).toBe(206);
    expect(await part.text()).toBe('ftyp');
    expect((await get({ 'If-None-Match': etag })).status).toBe(304);
    expect((await get({ Range: 'bytes=99999-' })).status).toBe(416);
    const head = await get({}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, `${MP4.length}`]);
  });

  it.each([
    ['x.svg', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'],
    ['x.html', '<script>alert(1)</script>'],
    ['x.xhtml', '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>'],
  ])('is never shown by a browser if it could contain scripts: %s', async (name, text) => {
    await start();
    const { url } = await kept(await sendForm(new Blob([text]), name));
    const { headers } = await api.get(url, as('anna'));
    expect(headers.get('content-disposition')).toMatch(/^attachment;/);
    expect(headers.get('content-security-policy')).toContain('sandbox');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('cannot be deleted while an unfinished job of its key needs it', async () => {
    await start();
    const asset = await kept(await send(MP4));
    const digest = asset.hash.slice('blake3:'.length);
    const { id } = await orderFrom(digest, 'anna');
    const remove = () => api.get(`/assets/${asset.id}`, { method: 'DELETE', ...as('anna') });
    expect(await problemOf(await remove())).toMatchObject({ code: 'asset_in_use' });
    await api.get(`/jobs/${id}/cancel`, { method: 'POST', ...as('anna') });
    expect((await remove()).status).toBe(204);
    expect(await api.keeper.sendersOf([digest])).toEqual([undefined]);
  });

  it('can be deleted while a job of another key needs the same file, which is kept', async () => {
    await start();
    const asset = await kept(await send(MP4));
    const digest = asset.hash.slice('blake3:'.length);
    const { id } = await orderFrom(digest, 'bert');
    expect((await api.get(`/assets/${asset.id}`, { method: 'DELETE', ...as('anna') })).status).toBe(204);
    const retire = () => api.keeper.retireInput(digest);
    expect(await retire()).toBe(false);
    await api.get(`/jobs/${id}/cancel`, { method: 'POST', ...as('bert') });
    expect(await retire()).toBe(true);
  });

  it.each(['x', '..%2f..%2fetc', newId(), 'asset:1'])('is not found by the id %s', async (id) => {
    await start();
    for (const path of [`/assets/${id}`, `/assets/${id}/content`])
      expect(await problemOf(await api.get(path, as('anna')))).toMatchObject({ code: 'asset_not_found' });
  });
});

/** Creates a job of the key that starts from this file. */
async function orderFrom(digest: string, caller: 'anna' | 'bert'): Promise<{ id: string }> {
  const accepted = await api.post('/generate', { prompt: 'x' }, as(caller));
  const { record } = (await api.ledger.jobs.get(((await accepted.json()) as { id: string }).id)) ?? {};
  if (record === undefined) throw new Error('there is no job');
  const { kind, request, pool } = record;
  const inputs = { ...request.inputs, clip: { name: `${digest}.mp4`, kind: 'video' as const } };
  const id = newId();
  const jobs = [{ id, kind, request: { ...request, inputs }, pool, startWithinMs: 60_000 }];
  await api.ledger.orders.create({ caller, jobs });
  return { id };
}
