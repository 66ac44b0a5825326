import { newId } from '@comfy-fleet/contracts';
import { blake3 } from 'hash-wasm';
import { expect, it } from 'vitest';
import { as, type TestApi } from '../../api.js';
import { plain } from '../../pictures.js';
import { inverting } from '../../runnable.js';
import { ASSETS, openV2, ordered, reference, refusal, upload, uploaded, type V2Asset } from './v2.js';

const PNG = await plain(64, 64, '#804020').png().toBuffer();
const blob = (data: Buffer = PNG) => new Blob([new Uint8Array(data)]);
const hashOf = async (data: Buffer) => `blake3:${await blake3(data)}`;
const fields = [
  ['content_type', 'image/png'],
  ['file_path', 'cat.png'],
] as const;
const byHash = (api: TestApi, hash: string, key = 'anna') =>
  api.get(`${ASSETS}/by-hash/${encodeURIComponent(hash)}`, { method: 'HEAD', ...as(key) });
const fromHash = (api: TestApi, body: object, key = 'anna') => api.post(`${ASSETS}/from-hash`, body, as(key));

it('keeps a file whether its form part is last or first, and returns the same asset for the same content', async () => {
  const api = await openV2();
  const first = await upload(api, [...fields, ['file', blob()]]);
  const asset = (await first.json()) as V2Asset;
  expect(first.status).toBe(201);
  expect(asset).toMatchObject({
    hash: await hashOf(PNG),
    size_bytes: PNG.length,
    content_type: 'image/png',
    file_path: 'cat.png',
    created_new: true,
  });
  const again = await upload(api, [['file', blob()], ...fields]);
  expect([again.status, await again.json()]).toMatchObject([200, { id: asset.id, created_new: false }]);
  const renamed = await upload(api, [
    ['file', blob()],
    ['content_type', 'x/y'],
    ['file_path', 'dog.png'],
  ]);
  const other = (await renamed.json()) as V2Asset;
  expect([renamed.status, other.created_new, other.hash, other.file_path]).toEqual([200, false, asset.hash, 'dog.png']);
  expect(other.id).not.toBe(asset.id);
});

it('refuses a file that does not match expected_hash, whether the hash comes before or after it, and makes no asset', async () => {
  const api = await openV2();
  const wrong = ['expected_hash', `blake3:${'0'.repeat(64)}`] as const;
  const before = await upload(api, [...fields, wrong, ['file', blob()]]);
  expect((await refusal(before)).slice(0, 2)).toEqual([409, 'hash_mismatch']);
  const after = await upload(api, [['file', blob()], ...fields, wrong]);
  expect((await refusal(after)).slice(0, 2)).toEqual([409, 'hash_mismatch']);
  expect((await byHash(api, await hashOf(PNG))).status).toBe(404);
  const right = await upload(api, [...fields, ['expected_hash', await hashOf(PNG)], ['file', blob()]]);
  expect(right.status).toBe(201);
});

it.each([
  [
    'no content type',
    [
      ['file_path', 'a.png'],
      ['file', blob()],
    ],
  ],
  [
    'no path',
    [
      ['content_type', 'image/png'],
      ['file', blob()],
    ],
  ],
  ['no file', [...fields]],
  [
    'a path that leads out of the folder',
    [
      ['content_type', 'a/b'],
      ['file_path', 'input/../../etc/x.png'],
      ['file', blob()],
    ],
  ],
  [
    'the path of a model',
    [
      ['content_type', 'a/b'],
      ['file_path', 'models/loras/x.safetensors'],
      ['file', blob()],
    ],
  ],
  ['a lifetime that is too short', [...fields, ['expires_in', '59'], ['file', blob()]]],
  ['a lifetime that is not a number', [...fields, ['expires_in', 'long'], ['file', blob()]]],
] as const)('refuses %s', async (_what, parts) => {
  const api = await openV2();
  expect((await refusal(await upload(api, parts))).slice(0, 2)).toEqual([422, 'invalid_request']);
  expect((await byHash(api, await hashOf(PNG))).status).toBe(404);
});

it('makes an asset from the hash of a stored file, only for the key that sent the file', async () => {
  const api = await openV2();
  const asset = await uploaded(api, 'cat.png', PNG);
  const hash = asset.hash ?? '';
  expect([(await byHash(api, hash)).status, (await byHash(api, hash, 'bert')).status]).toEqual([200, 404]);
  expect([(await byHash(api, 'blake3:nope')).status, (await byHash(api, 'x')).status]).toEqual([404, 404]);

  const same = await fromHash(api, { hash });
  expect([same.status, await same.json()]).toMatchObject([200, { id: asset.id, created_new: false }]);
  const identical = await fromHash(api, { hash, file_path: 'cat.png' });
  expect([identical.status, ((await identical.json()) as V2Asset).id]).toEqual([200, asset.id]);
  const minted = await fromHash(api, { hash, file_path: 'sub/dog.png' });
  const other = (await minted.json()) as V2Asset;
  expect([minted.status, other]).toMatchObject([201, { hash, file_path: 'sub/dog.png' }]);
  expect(other.id).not.toBe(asset.id);

  for (const [body, key] of [
    [{ hash }, 'bert'],
    [{ hash: 'blake3:nope' }, 'anna'],
  ] as const) {
    expect((await refusal(await fromHash(api, body, key))).slice(0, 2)).toEqual([404, 'blob_not_found']);
  }
  // After one of the two assets is deleted, the other one still keeps the content.
  expect((await api.get(`${ASSETS}/${asset.id}`, { method: 'DELETE', ...as('anna') })).status).toBe(204);
  expect((await byHash(api, hash)).status).toBe(200);
  expect((await api.get(`${ASSETS}/${other.id}/content`, as('anna'))).status).toBe(200);
});

it('keeps an asset for the requested lifetime, and never shortens its lifetime', async () => {
  const api = await openV2();
  const parts = (seconds: string) => [...fields, ['expires_in', seconds], ['file', blob()]] as const;
  const leftMs = ({ expires_at }: V2Asset) => Date.parse(expires_at) - Date.now();
  const short = (await (await upload(api, parts('60'))).json()) as V2Asset;
  expect(leftMs(short)).toBeLessThanOrEqual(60_000);
  const long = (await (await upload(api, parts('604800'))).json()) as V2Asset;
  expect([long.id, leftMs(long) > 600_000_000]).toEqual([short.id, true]);
  const hash = long.hash ?? '';
  const again = (await (await fromHash(api, { hash, file_path: 'cat.png', expires_in: 60 })).json()) as V2Asset;
  expect(again.expires_at).toBe(long.expires_at);
  expect((await refusal(await fromHash(api, { hash, expires_in: 604_801 }))).slice(0, 2)).toEqual([
    422,
    'invalid_request',
  ]);
});

it('serves content whole or as a range, to its key or by its signed URL', async () => {
  const api = await openV2();
  const { id, url } = await uploaded(api, 'cat.png', PNG);
  const content = (init: RequestInit = as('anna')) => api.get(`${ASSETS}/${id}/content`, init);
  expect(Buffer.from(await (await content()).arrayBuffer())).toEqual(PNG);
  const range = (value: string) => ({ headers: { ...as('anna').headers, Range: value } });
  const part = await content(range('bytes=1-3'));
  expect([part.status, await part.text()]).toEqual([206, 'PNG']);
  const beyond = await content(range('bytes=999999999-'));
  expect(beyond.headers.get('content-range')).toBe(`bytes */${PNG.length}`);
  expect((await refusal(beyond)).slice(0, 2)).toEqual([416, 'invalid_request']);
  expect([(await content(as('bert'))).status, (await content({})).status]).toEqual([404, 401]);

  expect(url.startsWith(`${api.url}${ASSETS}/${id}/content?`)).toBe(true);
  const linked = await fetch(url);
  expect([linked.status, Buffer.from(await linked.arrayBuffer())]).toEqual([200, PNG]);
  const forged = url.replace(id, (await uploaded(api, 'cat.png', PNG, 'bert')).id);
  expect((await fetch(forged)).status).toBe(401);
});

it('answers 404 for assets of another key and for ids that are not UUIDs', async () => {
  const api = await openV2();
  const { id } = await uploaded(api, 'cat.png', PNG);
  for (const [one, key] of [
    [id, 'bert'],
    [newId(), 'anna'],
    ['asset_ghost', 'anna'],
    [id.toUpperCase(), 'anna'],
  ] as const) {
    const paths = [api.get(`${ASSETS}/${one}`, as(key)), api.get(`${ASSETS}/${one}/content`, as(key))];
    paths.push(api.get(`${ASSETS}/${one}`, { method: 'DELETE', ...as(key) }));
    for (const answer of await Promise.all(paths)) {
      expect((await refusal(answer)).slice(0, 2), one).toEqual([404, 'not_found']);
    }
  }
  expect((await refusal(await api.get(`${ASSETS}/${id}`))).slice(0, 2)).toEqual([401, 'unauthorized']);
});

it('deletes an asset once, but not while a job still needs it', async () => {
  const api = await openV2();
  const { id } = await uploaded(api, 'cat.png', PNG);
  const remove = () => api.get(`${ASSETS}/${id}`, { method: 'DELETE', ...as('anna') });
  const graph = inverting();
  const job = await ordered(api, { ...graph, 1: { class_type: 'LoadImage', inputs: { image: reference(id) } } });
  expect((await refusal(await remove())).slice(0, 2)).toEqual([409, 'asset_in_use']);
  await api.get(job.urls.cancel, { method: 'POST', ...as('anna') });
  expect((await remove()).status).toBe(204);
  expect((await remove()).status).toBe(404);
});

it('ignores tags and an Idempotency-Key', async () => {
  const api = await openV2();
  const headers = { 'Idempotency-Key': 'once' };
  const first = await upload(api, [...fields, ['tags', 'input'], ['file', blob()]], { headers });
  const again = await upload(api, [...fields, ['file', blob()]], { headers });
  expect([first.status, again.status]).toEqual([201, 200]);
});
