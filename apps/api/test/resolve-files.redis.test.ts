import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { newId } from '@comfy-fleet/contracts';
import { createSafeHttp } from '@comfy-fleet/safe-http';
import { until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, expect, inject, it, onTestFinished, vi } from 'vitest';
import { keepFile } from '../src/files/keep-file.js';
import { resolveFiles } from '../src/files/resolve-files.js';
import { IN_INPUTS } from '../src/orders/pointers.js';
import { callerOf } from '../src/server/gate.js';
import type { Turns } from '../src/server/turns.js';
import { aKey, as, startApi, type TestApi } from './api.js';
import { plain } from './pictures.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'), {
    keys: [aKey('anna'), aKey('bert')],
    env: { MAX_ASSET_BYTES: '10000' },
    overrides: { assets: { maxUrls: 6 } },
  });
});
afterEach(() => api.close());

const { signal } = new AbortController();

/** The result of a request of that key with these inputs. */
function resolved(values: Record<string, unknown>, key = 'anna', assets = new Map()) {
  const pictureHttp = createSafeHttp({ allow: ['127.0.0.1'] });
  const caller = callerOf(aKey(key), api.config.access.keyLimits);
  const request = { caller, files: [], assets, holds: () => {}, signal };
  return resolveFiles({ ...api.deps, pictureHttp }, request, values, IN_INPUTS.input);
}

async function anAsset(key: string, body = 'some text'): Promise<{ id: string; hash: string }> {
  const answer = await api.get('/assets?filename=a.txt', { method: 'POST', body, ...as(key) });
  return (await answer.json()) as { id: string; hash: string };
}

async function aUrl(body: Buffer): Promise<string> {
  const server = createServer((_request, response) => response.end(body)).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((listening) => server.once('listening', listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/a%20b/mask.png?x=1`;
}

it('finds assets of the caller, but not of other keys', async () => {
  const { id, hash } = await anAsset('anna');
  const name = `${hash.slice('blake3:'.length)}.txt`;
  expect(await resolved({ note: `asset:${id}` })).toEqual({ note: { name, kind: 'file', bytes: 9 } });
  for (const value of [`asset:${id}`, `asset:${newId()}`, 'asset:../x'])
    await expect(resolved({ note: value }, 'bert')).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ pointer: '/inputs/note' }],
    });
});

it('looks up an asset once for all jobs of a request', async () => {
  const { id } = await anAsset('anna');
  const use = vi.spyOn(api.ledger.assets, 'use');
  const assets = new Map();
  const jobs = [1, 2, 3].map(() => resolved({ note: `asset:${id}` }, 'anna', assets));
  const [first, ...others] = await Promise.all(jobs);
  expect(others).toEqual([first, first]);
  expect(use).toHaveBeenCalledTimes(1);
});

it('reports an asset whose file no longer exists', async () => {
  const { id, hash } = await anAsset('anna');
  await api.inputs.delete(`${hash.slice('blake3:'.length)}.txt`);
  await expect(resolved({ 'a/b': `asset:${id}` })).rejects.toMatchObject({ errors: [{ pointer: '/inputs/a~1b' }] });
});

it('stores no picture whose caller leaves while it waits to be decoded', async () => {
  const picture = await plain(20, 10, 'red').png().toBuffer();
  const caller = callerOf(aKey('anna'), api.config.access.keyLimits);
  let end = () => {};
  const slow = api.deps.decoding(caller.id, () => new Promise<void>((resolve) => (end = resolve)));
  const request = new AbortController();
  const about = { caller, filename: 'a.png', pointer: '/file', isSent: true, holds: () => {}, signal: request.signal };
  const decoding: Turns = (...waiting) => {
    setImmediate(() => request.abort(new Error('the caller left')));
    return api.deps.decoding(...waiting);
  };
  await expect(keepFile({ ...api.deps, decoding }, Readable.from([picture]), about)).rejects.toThrow('the caller left');
  end();
  await slow;
});

it('fetches a URL into the store, and refuses files that are too large and URLs that are not allowed', async () => {
  const picture = await plain(20, 10, 'red').png().toBuffer();
  const { mask } = await resolved({ mask: await aUrl(picture) });
  expect(mask).toMatchObject({ kind: 'image', width: 20, height: 10, bytes: picture.length });
  expect(await api.inputs.stat(mask?.name ?? '')).toMatchObject({ bytes: picture.length });
  const large = await aUrl(Buffer.alloc(10_001));
  await expect(resolved({ mask: large })).rejects.toMatchObject({
    code: 'url_unreachable',
    errors: [{ pointer: '/inputs/mask' }],
  });
  await expect(resolved({ mask: 'http://169.254.169.254/latest' })).rejects.toMatchObject({
    code: 'url_not_allowed',
    errors: [{ pointer: '/inputs/mask' }],
  });
});

it('fetches several URLs at a time, and fetches none when there are too many', async () => {
  const waiting: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    waiting.push(response);
    // The server answers only when all URLs have been requested.
    if (waiting.length === 3) for (const [n, one] of waiting.entries()) one.end(`file ${n}`);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const url = (n: number) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${n}.txt`;
  const files = await resolved({ a: url(1), b: url(2), c: url(3), again: url(1) });
  expect([Object.keys(files).sort(), waiting.length]).toEqual([['a', 'again', 'b', 'c'], 3]);
  expect(files.again).toEqual(files.a);
  const many = Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((n) => [`f${n}`, url(n)]));
  await expect(resolved(many)).rejects.toMatchObject({
    code: 'validation_failed',
    errors: [{ pointer: '/inputs/f7', detail: 'is one of 7 different URLs; at most 6 are allowed' }],
  });
  expect(waiting).toHaveLength(3);
});

it('aborts the other fetches when one URL cannot be fetched', async () => {
  let missing: ServerResponse | undefined;
  let hangs: ServerResponse | undefined;
  let isGivenUp = false;
  const server = createServer((request, response) => {
    if (request.url === '/missing.txt') missing = response;
    else {
      hangs = response;
      response.write('the beginning');
      response.on('close', () => {
        isGivenUp = true;
      });
    }
    // The server answers only when both URLs have been requested.
    if (missing !== undefined && hangs !== undefined) missing.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const url = (name: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}.txt`;
  await expect(resolved({ a: url('hangs'), b: url('missing') })).rejects.toMatchObject({
    code: 'url_unreachable',
    errors: [{ pointer: '/inputs/b' }],
  });
  await until('nobody reads it', () => isGivenUp);
});

it.each(['a.png', '', 'file:///etc/passwd', 'job:1/0', `job:${newId()}/0`, 'job:', 5, null, {}, ['asset:1']])(
  'refuses %j, with the pointer of its input',
  async (value) => {
    await expect(resolved({ mask: value })).rejects.toMatchObject({ errors: [{ pointer: '/inputs/mask' }] });
  },
);
