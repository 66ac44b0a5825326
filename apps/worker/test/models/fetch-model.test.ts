import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSafeHttp } from '@comfy-fleet/safe-http';
import { createLogger } from '@comfy-fleet/telemetry';
import { safetensors, sha256, until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Credentials } from '../../src/models/credentials.js';
import { ModelFault } from '../../src/models/faults.js';
import { peersOf, startPeerServer } from '../../src/models/peers.js';
import { Retries } from '../../src/models/retries.js';
import { CELL_BYTES, type Fetching, lora, startFetching } from './fetching.js';

const NAME = 'a.safetensors';
const CONTENT = safetensors(10 * CELL_BYTES + 5);
const HASH = sha256(CONTENT);
const log = createLogger({ service: 'test', level: 'error', format: 'json' });
const fetched = ({ folder }: Fetching) => readFile(join(folder.dir, 'loras', NAME));
const parts = ({ folder }: Fetching) => readdir(join(folder.dir, 'loras', '.comfy-fleet'));
const entry = { headers: {}, query: {}, s3: undefined, callers: false };

/** Starts a fetch and stops it once the source has sent so much. */
async function interrupted(fetching: Fetching, bytes: number, record = lora(NAME, { sources: ['?'] })): Promise<void> {
  const { source, fetch } = fetching;
  const stopping = new AbortController();
  const fetchOfIt = fetch({ ...record, sources: [`${source.url}/${NAME}`] }, { signal: stopping.signal });
  await until('a part is there', () => (source.sent.get(NAME) ?? 0) >= bytes);
  stopping.abort(new Error('stopped'));
  expect(await fetchOfIt).toMatchObject({ message: 'stopped' });
}

describe('fetchModel', () => {
  it('pins the hash and the size of what it fetched first', async () => {
    const { source, records, fetch } = await startFetching();
    source.files.set(NAME, { content: CONTENT });
    expect(await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`] }))).toBeUndefined();
    expect(records.get(`loras/${NAME}`)).toMatchObject({ sha256: HASH, bytes: CONTENT.length });
  });

  it('names both hashes if the source has another content than was pinned', async () => {
    const { source, fetch } = await startFetching();
    const other = safetensors(CONTENT.length);
    source.files.set(NAME, { content: other });
    const fault = await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`], sha256: HASH }));
    expect(fault).toMatchObject({ code: 'wrong_hash', detail: expect.stringContaining(HASH) });
    expect(fault?.detail).toContain(sha256(other));
  });

  it('uses several connections for a large file, and requests no byte twice', async () => {
    const fetching = await startFetching();
    fetching.source.files.set(NAME, { content: CONTENT });
    await fetching.fetch(lora(NAME, { sources: [`${fetching.source.url}/${NAME}`] }));
    expect(fetching.source.requests).toHaveLength(11);
    expect(fetching.source.sent.get(NAME)).toBe(CONTENT.length);
    expect(await fetched(fetching)).toEqual(CONTENT);
    expect(await parts(fetching)).toEqual([]);
  });

  it('continues an interrupted download, also from another source of the same hash', async () => {
    const fetching = await startFetching({ bytesPerSecond: 400_000 });
    const { source, fetch } = fetching;
    source.files.set(NAME, { content: CONTENT });
    await interrupted(fetching, 6 * CELL_BYTES, lora(NAME, { sources: ['?'], sha256: HASH }));
    source.files.set('other', { content: CONTENT });
    expect(await fetch(lora(NAME, { sources: [`${source.url}/other`], sha256: HASH }))).toBeUndefined();
    expect(source.sent.get('other')).toBeLessThan(CONTENT.length - CELL_BYTES);
    expect(await fetched(fetching)).toEqual(CONTENT);
  });

  it('downloads nothing again if it is stopped once the hash is pinned', async () => {
    const { source, records, options, fetch } = await startFetching();
    source.files.set(NAME, { content: CONTENT });
    const stopping = new AbortController();
    const { registry } = options;
    const pin: typeof registry.pin = async (...given) => {
      const pinned = await registry.pin(...given);
      stopping.abort(new Error('stopped'));
      return pinned;
    };
    Object.assign(options, { registry: { pin } });
    const record = lora(NAME, { sources: [`${source.url}/${NAME}`] });
    expect(await fetch(record, { signal: stopping.signal })).toMatchObject({ message: 'stopped' });
    const pinned = records.get(`loras/${NAME}`) as typeof record;
    expect(pinned.sha256).toBe(HASH);
    expect(await fetch(pinned)).toBeUndefined();
    // The first answer says whether the source still has the same content.
    expect(source.sent.get(NAME)).toBeLessThanOrEqual(CONTENT.length + CELL_BYTES);
  });

  it('begins again if the content has changed since the interruption', async () => {
    const fetching = await startFetching({ bytesPerSecond: 400_000 });
    const { source, fetch } = fetching;
    source.files.set(NAME, { content: CONTENT });
    await interrupted(fetching, 6 * CELL_BYTES);
    const changed = safetensors(CONTENT.length);
    source.files.set(NAME, { content: changed });
    expect(await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`] }))).toBeUndefined();
    expect(await fetched(fetching)).toEqual(changed);
  });

  it('begins again if the content changes during the download', async () => {
    const fetching = await startFetching({ bytesPerSecond: 400_000 });
    const { source, fetch } = fetching;
    source.files.set(NAME, { content: CONTENT });
    const changed = safetensors(CONTENT.length);
    const fetchOfIt = fetch(lora(NAME, { sources: [`${source.url}/${NAME}`] }));
    await until('a part is there', () => (source.sent.get(NAME) ?? 0) >= 5 * CELL_BYTES);
    source.files.set(NAME, { content: changed });
    expect(await fetchOfIt).toBeUndefined();
    expect(await fetched(fetching)).toEqual(changed);
  });

  it('repairs an unfinished file whose bytes are wrong', async () => {
    const fetching = await startFetching({ bytesPerSecond: 400_000 });
    const { source, fetch } = fetching;
    source.files.set(NAME, { content: safetensors(CONTENT.length) });
    await interrupted(fetching, 6 * CELL_BYTES, lora(NAME, { sources: ['?'], sha256: HASH }));
    source.files.set(NAME, { content: CONTENT });
    expect(await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`], sha256: HASH }))).toBeUndefined();
    expect(await fetched(fetching)).toEqual(CONTENT);
  });

  it('takes the next source if one fails, and says what each of them did if all fail', async () => {
    const { source, fetch } = await startFetching();
    source.files.set('bad', { content: CONTENT, fault: 'unavailable' });
    source.files.set('good', { content: CONTENT });
    const sources = [`${source.url}/bad`, `${source.url}/good`];
    expect(await fetch(lora(NAME, { sources }))).toBeUndefined();
    source.files.delete('good');
    const fault = await fetch(lora('b.safetensors', { sources }));
    expect(fault?.code).toBe('source_failed');
    expect(fault?.detail).toMatch(/^Source 1: .* 503\. Source 2: .* 404\.$/);
  });

  it('reports for how long a source wants to be left alone', async () => {
    const { source, fetch } = await startFetching();
    source.files.set(NAME, { content: CONTENT, fault: 'unavailable' });
    expect(await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`] }))).toMatchObject({ retryAfterMs: 7000 });
  });

  it('gives up a source that says nothing', async () => {
    const rules = { cellBytes: CELL_BYTES, connections: 4, idleMs: 50, retryMs: 1 };
    const { source, fetch } = await startFetching({ rules });
    source.files.set(NAME, { content: CONTENT, fault: 'silent' });
    expect(await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`] }))).toMatchObject({ code: 'not_reachable' });
  });

  it('reserves the space before the first byte, and leaves nothing behind if there is none', async () => {
    const fetching = await startFetching({ maxBytes: 100 * 1024 });
    const { source, folder, fetch } = fetching;
    const before = folder.usedBytes;
    source.files.set(NAME, { content: CONTENT });
    const fault = await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`] }));
    expect(fault).toMatchObject({ code: 'no_space', bytes: CONTENT.length });
    expect(folder.usedBytes).toBe(before);
    expect(await parts(fetching)).toEqual([]);
  });

  it('refuses a file from a caller’s URL that is larger than allowed', async () => {
    const { source, fetch } = await startFetching({ maxUrlBytes: CELL_BYTES });
    source.files.set(NAME, { content: CONTENT });
    const record = lora(NAME, { sources: [`${source.url}/${NAME}`], by_url: true });
    expect(await fetch(record)).toMatchObject({ code: 'too_large' });
    source.files.set(NAME, { content: CONTENT, ranges: false });
    expect(await fetch(record)).toMatchObject({ code: 'too_large' });
  });

  it('refuses a pickle without a request', async () => {
    const { source, fetch } = await startFetching();
    const fault = await fetch(lora('a.ckpt', { sources: [`${source.url}/a.ckpt`] }));
    expect(fault).toMatchObject({ code: 'pickle' });
    expect(source.requests).toEqual([]);
  });
});

describe('Retries', () => {
  it.each([
    [true, 'not_a_model', 3_600_000],
    [true, 'not_reachable', 10_000],
    [false, 'not_a_model', 10_000],
  ] as const)('pauses, for a URL of a caller (%s), after %s for %i ms', (by_url, code, ms) => {
    const { error } = new Retries().failed(lora(NAME, { sources: [], by_url }), new ModelFault(code, 'It failed.'));
    expect((error?.retry_at ?? 0) - (error?.at ?? 0)).toBe(ms);
  });
});

describe('hf:', () => {
  const source = 'hf:owner/repo/sub/a b.safetensors@refs/pr/1';
  const path = 'owner/repo/resolve/refs/pr/1/sub/a b.safetensors';

  it('compares the file with the hash that the first answer has', async () => {
    const fetching = await startFetching();
    const claim = (hash: string) => ({ 'X-Linked-Etag': `"${hash}"`, 'X-Linked-Size': `${CONTENT.length}` });
    fetching.source.files.set(path, { content: CONTENT, redirect: claim('0'.repeat(64)) });
    const fault = await fetching.fetch(lora(NAME, { sources: [source] }));
    expect(fault).toMatchObject({ code: 'wrong_hash', detail: expect.stringContaining('0'.repeat(64)) });
    fetching.source.files.set(path, { content: CONTENT, redirect: claim(HASH) });
    expect(await fetching.fetch(lora(NAME, { sources: [source] }))).toBeUndefined();
    expect(await fetched(fetching)).toEqual(CONTENT);
  });

  it('asks for the redirect once and not for each chunk', async () => {
    const { source: server, fetch } = await startFetching();
    server.files.set(path, { content: CONTENT, redirect: {} });
    await fetch(lora(NAME, { sources: [source] }));
    expect(server.requests.filter((request) => request.path === path)).toHaveLength(1);
  });
});

describe('civitai:', () => {
  it('takes the primary file and compares it with the hash of its description', async () => {
    const fetching = await startFetching();
    const { source, fetch } = fetching;
    const describeFile = (hash: string) => {
      const files = [
        { type: 'Training Data', downloadUrl: `${source.url}/data` },
        { type: 'Model', primary: true, downloadUrl: `${source.url}/file`, hashes: { SHA256: hash.toUpperCase() } },
      ];
      source.files.set('api/v1/model-versions/123', { content: Buffer.from(JSON.stringify({ files })) });
    };
    source.files.set('file', { content: CONTENT });
    describeFile(sha256(Buffer.from('other')));
    expect(await fetch(lora(NAME, { sources: ['civitai:123'] }))).toMatchObject({ code: 'wrong_hash' });
    describeFile(HASH);
    expect(await fetch(lora(NAME, { sources: ['civitai:123'] }))).toBeUndefined();
    expect(await fetched(fetching)).toEqual(CONTENT);
  });

  it('says so if there is no such version', async () => {
    const { fetch } = await startFetching();
    expect(await fetch(lora(NAME, { sources: ['civitai:123'] }))).toMatchObject({ code: 'refused_by_source' });
  });
});

describe('credentials', () => {
  const secret = 'correct-horse';

  it('are sent to the URLs that fit, also after a redirect, and appear in no fault', async () => {
    const { source, options, fetch } = await startFetching();
    const credentials = new Credentials([
      { ...entry, url: `${source.url}/redirected/`, query: { token: secret } },
      { ...entry, url: `${source.url}/`, headers: { 'X-Key': secret } },
    ]);
    Object.assign(options, { credentials });
    source.files.set(NAME, { content: CONTENT, redirect: {} });
    expect(await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`] }))).toBeUndefined();
    const [first, second] = source.requests;
    expect(first?.headers['x-key']).toBe(secret);
    expect(second).toMatchObject({ path: `redirected/${NAME}`, query: `token=${secret}` });
    expect(second?.headers['x-key']).toBeUndefined();
    source.files.set(NAME, { content: CONTENT, fault: 'forbidden' });
    const fault = await fetch(lora('b.safetensors', { sources: [`${source.url}/${NAME}`] }));
    expect(fault).toMatchObject({ code: 'refused_by_source' });
    expect(JSON.stringify([fault, fault?.message, fault?.stack])).not.toContain(secret);
  });

  it('are not sent for URLs of callers, unless their entry allows it', async () => {
    const { source, options, fetch } = await startFetching();
    source.files.set(NAME, { content: CONTENT });
    const ask = async (callers: boolean) => {
      const url = `${source.url}/`;
      Object.assign(options, {
        credentials: new Credentials([{ ...entry, url, headers: { 'X-Key': secret }, callers }]),
      });
      await fetch(lora(NAME, { sources: [`${source.url}/${NAME}`], by_url: true }));
      return source.requests.at(-1)?.headers['x-key'];
    };
    expect(await ask(false)).toBeUndefined();
    expect(await ask(true)).toBe(secret);
  });

  it.each([
    ['https://huggingface.co/', 'https://huggingface.co/a/b', true],
    ['https://huggingface.co', 'https://huggingface.co.evil.example/a', false],
    ['https://huggingface.co/', 'https://evil.example/https://huggingface.co/', false],
    ['https://huggingface.co/', 'http://huggingface.co/a', false],
    ['https://huggingface.co/', 'https://huggingface.co:444/a', false],
    ['https://HuggingFace.co:443/', 'https://huggingface.co/a', true],
    ['https://*.example.com/models/', 'https://eu.example.com/models/a', true],
    ['https://*.example.com/models/', 'https://example.com/models/a', false],
    ['https://*.example.com/models/', 'https://eu.example.com/models/../secret', false],
    ['https://*.example.com/', 'https://evilexample.com/', false],
    ['s3://bucket/', 's3://bucket/key', true],
    ['s3://bucket/', 's3://bucket2/key', false],
  ])('of %s for %s: %s', (url, target, fits) => {
    expect(new Credentials([{ ...entry, url }]).has(target)).toBe(fits);
  });

  it('are required for a bucket', async () => {
    const { fetch } = await startFetching();
    expect(await fetch(lora(NAME, { sources: ['s3://bucket/key'] }))).toMatchObject({ code: 'no_credentials' });
  });
});

describe('other hosts', () => {
  const token = 'a-token-of-the-fleet';
  const copy = { state: 'ready', bytes: 1, fetched: 1, used_at: 0, is_ours: true } as const;

  /** A host that has the model, and what it announces. */
  async function startPeer(content: Buffer, given = { token, bytesPerSecond: 1e9 }) {
    const host = await startFetching();
    host.source.files.set(NAME, { content });
    await host.fetch(lora(NAME, { sources: [`${host.source.url}/${NAME}`] }));
    const path = join(host.folder.dir, 'loras', NAME);
    const file = { path, bytes: content.length, sha256: sha256(content) };
    const find = (id: string) => (id === `loras/${NAME}` ? file : undefined);
    const server = await startPeerServer({ port: 0, ...given, find, log });
    onTestFinished(() => server.close());
    const url = `http://127.0.0.1:${server.port}`;
    const folder = {
      ...{ id: 'theirs', worker: 'w', instances: [], pools: [], peer_url: url, max_bytes: 0, used_bytes: 0 },
      ...{ bytes_per_second: 0, seen_at: 0 },
    };
    return { url, folders: [{ folder, copies: new Map([[`loras/${NAME}`, copy]]) }] };
  }

  it('are asked before the source', async () => {
    const { folders } = await startPeer(CONTENT);
    const fetching = await startFetching();
    const record = lora(NAME, { sources: [`${fetching.source.url}/${NAME}`], sha256: HASH });
    const peers = peersOf(record, folders, { folder: 'ours', token });
    expect(await fetching.fetch(record, { peers })).toBeUndefined();
    expect(await fetched(fetching)).toEqual(CONTENT);
    expect(fetching.source.requests).toEqual([]);
  });

  it('cannot give a wrong file: then the source is used', async () => {
    const { folders } = await startPeer(safetensors(CONTENT.length));
    const fetching = await startFetching();
    fetching.source.files.set(NAME, { content: CONTENT });
    const record = lora(NAME, { sources: [`${fetching.source.url}/${NAME}`], sha256: HASH });
    const peers = peersOf(record, folders, { folder: 'ours', token });
    expect(await fetching.fetch(record, { peers })).toBeUndefined();
    expect(await fetched(fetching)).toEqual(CONTENT);
  });

  it('are asked only if they have the model and an address, and never the own one', async () => {
    const { folders } = await startPeer(CONTENT);
    const record = lora(NAME, { sources: [], sha256: HASH });
    expect(peersOf(record, folders, { folder: 'ours', token })).toHaveLength(1);
    expect(peersOf(record, folders, { folder: 'theirs', token })).toEqual([]);
    expect(peersOf(record, folders, { folder: 'ours', token: undefined })).toEqual([]);
    expect(peersOf(lora('b.safetensors', { sources: [] }), folders, { folder: 'ours', token })).toEqual([]);
  });

  it.each([
    ['no token', {}, 401],
    ['a wrong token', { Authorization: 'Bearer wrong' }, 401],
    ['a model that is not there', { Authorization: `Bearer ${token}` }, 404],
  ])('answer %s with a status and no bytes', async (_what, headers, status) => {
    const { url } = await startPeer(CONTENT);
    const answer = await fetch(`${url}/models/loras/${status === 404 ? '..%2F..%2Fid' : NAME}`, { headers });
    expect([answer.status, await answer.text()]).toEqual([status, '']);
  });

  it('send no more per second than allowed', async () => {
    const { url } = await startPeer(CONTENT, { token, bytesPerSecond: 4 * CONTENT.length });
    const begin = performance.now();
    const http = createSafeHttp({ allow: ['127.0.0.1'] });
    const headers = { Authorization: `Bearer ${token}` };
    const read = { prepare: (to: URL) => ({ url: to, headers }), idleMs: 10_000, signal: AbortSignal.timeout(20_000) };
    const bytes = await http.read(`${url}/models/loras/${NAME}`, read, async ({ content }) => {
      let sum = 0;
      for await (const piece of content) sum += piece.length;
      return sum;
    });
    expect(bytes).toBe(CONTENT.length);
    expect(performance.now() - begin).toBeGreaterThan(200);
  });
});
