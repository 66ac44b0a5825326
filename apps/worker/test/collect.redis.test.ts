import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import { type FrameStore, mediaFacts } from '@comfy-fleet/frames';
import type { Graph } from '@comfy-fleet/workflows';
import sharp from 'sharp';
import { expect, it, onTestFinished } from 'vitest';
import { collectOutputs } from '../src/job/collect.js';
import type { Tools } from '../src/job/tools.js';
import { createStoreWatch, type StoreFault } from '../src/store-watch.js';
import { FastSaveFailed } from '../src/submission/fast-save.js';
import { aSubmittedJob, quietLog } from './held.js';
import { namesIn, someStores } from './worker-stack.js';

const sha256Of = (content: Buffer) => createHash('sha256').update(content).digest('hex');

/** A ComfyUI with one output file under any name, listed under the key for images. */
async function showing(file: Buffer): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'image/png').end(file);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const entry: HistoryEntry = {
  outcome: 'success',
  startedAt: undefined,
  endedAt: undefined,
  outputs: [{ nodeId: '9', filename: 'saved.png', subfolder: '', type: 'output', key: 'images' }],
  temporary: [],
  texts: [],
  values: [],
};

function storeWatch(frames: FrameStore, minFreeBytes = 0) {
  const stores = { frames, fault: async () => undefined };
  return createStoreWatch({ stores, minFreeBytes, owner: 'w', onChange: () => {}, log: quietLog() });
}

async function collect(file: Buffer, of: Partial<HistoryEntry> = {}, limits: Partial<Tools> = {}, graph: Graph = {}) {
  const { frames } = await someStores();
  const { job, submission } = await aSubmittedJob(await showing(file), undefined, graph);
  const store = storeWatch(frames);
  const tools = {
    frames,
    mediaFacts,
    store,
    maxOutputBytes: 1024 * 1024,
    maxOutputs: 5,
    ...limits,
  } as Partial<Tools> as Tools;
  const collecting = collectOutputs(
    job,
    { submission, entry: { ...entry, ...of } },
    tools,
    new AbortController().signal,
  );
  return { id: job.record.id, frames, collecting };
}

const called = (filename: string, more = {}) => ({
  nodeId: '9',
  filename,
  subfolder: '',
  type: 'output',
  key: 'images',
  ...more,
});

it('does without the preview of a cached node that is gone with an earlier job, but not without others', async () => {
  const server = createServer((_request, response) => response.writeHead(404).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { frames } = await someStores();
  const { job, submission } = await aSubmittedJob(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const tools = { frames, maxOutputs: 5 } as Partial<Tools> as Tools;
  const shown = { ...entry, outputs: [], temporary: [called('crop.png', { type: 'temp' })] };
  const collecting = () => collectOutputs(job, { submission, entry: shown }, tools, new AbortController().signal);
  submission.cachedNodes = ['8'];
  await expect(collecting()).rejects.toThrow('no longer has the file crop.png');
  submission.cachedNodes = ['8', '9'];
  expect(await collecting()).toEqual([]);
});

it.each(['png', 'jpeg', 'webp', 'gif'] as const)(
  'stores a %s as what its bytes are, whatever it is called',
  async (type) => {
    const picture = sharp({ create: { width: 96, height: 64, channels: 3, background: '#804020' } });
    const file = await picture.toFormat(type).toBuffer();
    const { id, frames, collecting } = await collect(file);
    const about = {
      nodeId: '9',
      kind: 'image',
      file: `${id}_1.${type}`,
      filename: 'saved.png',
      sha256: sha256Of(file),
    };
    const stored = { ...about, contentType: `image/${type}`, width: 96, height: 64, bytes: file.length };
    expect(await collecting).toEqual([stored]);
    const stream = await frames.open(`${id}_1.${type}`);
    expect(stream === undefined ? undefined : await buffer(stream)).toEqual(file);
  },
);

it('stores a WebP that a SaveImage node saved fast as the PNG of it, unless there were several pictures', async () => {
  const picture = sharp({ create: { width: 96, height: 64, channels: 3, background: '#804020' } });
  const file = await picture.webp({ lossless: true }).toBuffer();
  const graph: Graph = { 9: { class_type: 'SaveImage', inputs: { filename_prefix: 'saved' } } };
  const saved = (more = {}, limits = {}) =>
    collect(file, { outputs: [called('saved_00001_.webp', more)] }, limits, graph);
  const { id, frames, collecting } = await saved();
  const about = { filename: 'saved_00001_.png', contentType: 'image/png', width: 96, height: 64 };
  expect(await collecting).toMatchObject([{ ...about, file: `${id}_1.png` }]);
  const stream = await frames.open(`${id}_1.png`);
  const stored =
    stream === undefined
      ? undefined
      : await sharp(await buffer(stream))
          .raw()
          .toBuffer();
  expect(stored).toEqual(await picture.raw().toBuffer());
  await expect((await saved({ animated: true })).collecting).rejects.toThrow(FastSaveFailed);
  await expect((await saved({}, { maxOutputBytes: 50 })).collecting).rejects.toMatchObject({
    code: 'output_too_large',
  });
});

it('reads the size of a JPEG behind 200 kB of metadata, the size of a whole workflow', async () => {
  const picture = sharp({ create: { width: 96, height: 64, channels: 3, background: '#804020' } });
  const jpeg = await picture.jpeg().toBuffer();
  const segment = Buffer.alloc(50_004, 'x');
  segment.writeUInt16BE(0xffed, 0);
  segment.writeUInt16BE(50_002, 2);
  const file = Buffer.concat([jpeg.subarray(0, 2), ...Array<Buffer>(4).fill(segment), jpeg.subarray(2)]);
  expect(await (await collect(file)).collecting).toMatchObject([{ width: 96, height: 64, contentType: 'image/jpeg' }]);
});

it.each([
  ['a text', Buffer.from('no picture')],
  ['half a header', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
  ['an empty file', Buffer.alloc(0)],
])('refuses %s named like a picture, and stores nothing', async (_what, file) => {
  const { frames, collecting } = await collect(file);
  await expect(collecting).rejects.toMatchObject({
    code: 'no_output',
    detail: 'What the workflow saved as saved.png is not a complete picture.',
  });
  expect(await namesIn(frames)).toEqual([]);
});

const CLIPS = fileURLToPath(new URL('../../simulator/src/data/clips/', import.meta.url));

it.each([
  ['clip.mp4', 'odd.png', 'video', 'video/mp4', 'mp4'],
  ['clip.webm', 'a.webm', 'video', 'video/webm', 'webm'],
  ['clip.mkv', 'a.mkv', 'video', 'video/x-matroska', 'mkv'],
  ['tone.mp3', 'a.mp3', 'audio', 'audio/mpeg', 'mp3'],
  ['tone.opus', 'a.bin', 'audio', 'audio/ogg', 'opus'],
])('recognises %s by its bytes, though it is named %s', async (clip, filename, kind, contentType, extension) => {
  const file = await readFile(join(CLIPS, clip));
  const { id, collecting } = await collect(file, { outputs: [called(filename)] });
  const about = { kind, contentType, filename, bytes: file.length, sha256: sha256Of(file) };
  const size = kind === 'video' ? { width: 192, height: 128 } : {};
  const facts = { ...size, durationSeconds: expect.closeTo(kind === 'video' ? 2 : 1, 1) };
  expect(await collecting).toEqual([{ ...about, ...facts, nodeId: '9', file: `${id}_1.${extension}` }]);
});

it.each([
  ['a.latent', 'latent', 'application/octet-stream', 'latent'],
  ['3d/a.ply', 'model', 'application/octet-stream', 'ply'],
  ['A.OBJ', 'model', 'model/obj', 'obj'],
  ['a.safetensors', 'file', 'application/octet-stream', 'bin'],
  ['a.ex-e', 'file', 'application/octet-stream', 'bin'],
  ['noname', 'file', 'application/octet-stream', 'bin'],
])(
  'recognises %s by its extension when its bytes have no known signature',
  async (filename, kind, contentType, extension) => {
    const { id, collecting } = await collect(Buffer.from([0, 1, 2, 3]), { outputs: [called(filename)] });
    const own = filename.split('/').at(-1);
    expect(await collecting).toMatchObject([{ kind, contentType, file: `${id}_1.${extension}`, filename: own }]);
  },
);

it('keeps an SVG as a picture without a size', async () => {
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>');
  const { id, collecting } = await collect(svg, { outputs: [called('a.svg')] });
  expect(await collecting).toMatchObject([{ kind: 'image', contentType: 'image/svg+xml', file: `${id}_1.svg` }]);
});

it('puts a text of up to 64 KiB on the record too, but keeps a longer or invalid one only in its file', async () => {
  const text = await collect(Buffer.from('ein Fuchs, größer'), { outputs: [called('a.txt')] });
  expect(await text.collecting).toMatchObject([{ kind: 'text', text: 'ein Fuchs, größer' }]);
  const broken = await collect(Buffer.from([0x61, 0xff]), { outputs: [called('a.txt')] });
  expect((await broken.collecting)[0]).not.toHaveProperty('text');
});

it('stores texts that nodes show, once if the node saved the text too', async () => {
  const texts = [
    { nodeId: '9', text: 'saved' },
    { nodeId: '4', text: 'shown \ud800' },
    { nodeId: '4', text: '' },
  ];
  const { id, frames, collecting } = await collect(Buffer.from('saved'), { outputs: [called('a.txt')], texts });
  expect(await collecting).toMatchObject([
    { nodeId: '9', kind: 'text', text: 'saved', filename: 'a.txt' },
    { nodeId: '4', kind: 'text', text: 'shown \ufffd', filename: 'text.txt', contentType: 'text/plain' },
    { nodeId: '4', kind: 'text', text: '', bytes: 0 },
  ]);
  expect((await namesIn(frames)).sort()).toEqual([1, 2, 3].map((n) => `${id}_${n}.txt`));
});

it('records how ComfyUI listed an output, unless that is the usual way', async () => {
  const listed = { key: 'gifs', type: 'temp', format: 'video/webm', frameRate: 8 };
  const { type, ...more } = listed;
  const outputs = [called('a.txt', more), called('b.txt'), called('c.txt', { animated: true })];
  const temporary = [called('d.txt', { ...more, type })];
  const stored = await (await collect(Buffer.from('x'), { outputs })).collecting;
  expect(stored.map((output) => output.listed)).toEqual([
    { ...listed, type: 'output' },
    undefined,
    { key: 'images', type: 'output', animated: true },
  ]);
  const shown = await collect(Buffer.from('x'), { outputs: [], temporary });
  expect((await shown.collecting)[0]?.listed).toEqual(listed);
});

it('keeps previews only when there is nothing else', async () => {
  const outputs = [called('a.txt')];
  const temporary = [called('b.txt', { type: 'temp' })];
  const both = await collect(Buffer.from('x'), { outputs, temporary });
  expect((await both.collecting).map(({ filename }) => filename)).toEqual(['a.txt']);
  const only = await collect(Buffer.from('x'), { outputs: [], temporary });
  expect((await only.collecting).map(({ filename }) => filename)).toEqual(['b.txt']);
});

it('stores nothing and does not fail when no node saved or showed anything', async () => {
  const { frames, collecting } = await collect(Buffer.from('x'), { outputs: [] });
  expect([await collecting, await namesIn(frames)]).toEqual([[], []]);
});

it("stores other values that nodes show as JSON, one file per node, with the caller's names", async () => {
  const values = [
    { nodeId: '4', values: { tags: ['a', `${'ab'.repeat(32)}-1_00001_.png`], stats: [{ n: [1] }] } },
    { nodeId: '2.0.0.1', values: { value: [3.5] }, expandedFrom: { display: '2', parent: '2', real: '2' } },
  ];
  const { id, collecting } = await collect(Buffer.from('x'), { outputs: [called('a.txt')], values });
  const about = { kind: 'text', filename: 'values.json', contentType: 'application/json' };
  expect((await collecting).slice(1)).toMatchObject([
    { ...about, nodeId: '4', file: `${id}_2.json`, text: '{"tags":["a","ComfyUI_00001_.png"],"stats":[{"n":[1]}]}' },
    { ...about, nodeId: '2.0.0.1', expandedFrom: { real: '2' }, text: '{"value":[3.5]}' },
  ]);
});

it('keeps at most 64 KiB of such values per job and at most `maxOutputs`, without failing', async () => {
  const value = (nodeId: string, kib: number) => ({ nodeId, values: { value: ['x'.repeat(kib * 1024)] } });
  const values = [value('1', 40), value('2', 40), value('3', 20)];
  const nodes = async (limits: Partial<Tools>) =>
    (await (await collect(Buffer.from('x'), { outputs: [], values }, limits)).collecting).map(({ nodeId }) => nodeId);
  expect(await nodes({})).toEqual(['1', '3']);
  expect(await nodes({ maxOutputs: 1 })).toEqual(['1']);
});

it.each([
  [true, 'fails'],
  [false, 'waits'],
])('when the store is full (%s) or away, a job that has stored outputs %s', async (isFull) => {
  const { frames } = await someStores();
  let isRefused = true;
  const put: typeof frames.put = async (name, source, options) => {
    if (typeof name !== 'string' || !name.includes('_2') || !isRefused) return frames.put(name, source, options);
    throw new FleetError('storage_failed', 'There is no space left.');
  };
  const hasSpace = async () => true;
  const store = { fault: undefined as StoreFault | undefined, failed: async () => {}, hasSpace };
  store.failed = async () => {
    store.fault = { reason: 'no space', since: 0, isFull };
    isRefused = isFull;
    if (!isFull)
      setImmediate(() => {
        store.fault = undefined;
      });
  };
  const outputs = [called('a.bin'), called('b.bin')];
  const tools = { frames: { ...frames, put }, store, storeRetryMs: 0 };
  const { collecting } = await collect(Buffer.alloc(1024), { outputs }, tools);
  if (isFull) await expect(collecting).rejects.toMatchObject({ code: 'storage_failed' });
  else expect(await collecting).toHaveLength(2);
});

it.each([
  ['stores outputs that leave too little space within the share of the key', 4096, 2048, undefined],
  ['fails at outputs that leave too little space beyond it', 4096, 2047, 'storage_share_exceeded'],
  ['stores a small part of that space anyway', 8192, 0, undefined],
])('%s', async (_what, minFreeBytes, share, code) => {
  const outputs = [called('a.bin'), called('b.bin')];
  const { frames } = await someStores({ freeBytes: async () => minFreeBytes });
  const tools = {
    frames,
    store: storeWatch(frames, minFreeBytes),
    fitsShare: async (_key: string, bytes: number) => bytes <= share,
  };
  const { collecting } = await collect(Buffer.alloc(1024), { outputs }, tools);
  if (code === undefined) expect(await collecting).toHaveLength(2);
  else await expect(collecting).rejects.toMatchObject({ code });
});

it('fails beyond the share of the key if others took the space while it stored an output', async () => {
  let freeBytes = 2048;
  const { frames } = await someStores({ freeBytes: async () => freeBytes });
  const put: typeof frames.put = async (...args) => {
    freeBytes = 1023;
    return frames.put(...args);
  };
  const tools = { frames: { ...frames, put }, store: storeWatch(frames, 1024), fitsShare: async () => false };
  const { collecting } = await collect(Buffer.alloc(1024), { outputs: [called('a.bin')] }, tools);
  await expect(collecting).rejects.toMatchObject({ code: 'storage_share_exceeded' });
});

it('counts all outputs of the job against MAX_OUTPUT_BYTES', async () => {
  const outputs = [called('a.bin'), called('b.bin')];
  const collectWith = (maxOutputBytes: number) => collect(Buffer.alloc(1024), { outputs }, { maxOutputBytes });
  expect(await (await collectWith(2048)).collecting).toHaveLength(2);
  await expect((await collectWith(2047)).collecting).rejects.toMatchObject({ code: 'output_too_large' });
});

it.each([
  ['MAX_OUTPUT_BYTES', { maxOutputBytes: 1023 }, [called('a.bin')]],
  ['at most 1 are kept', { maxOutputs: 1 }, [called('a.bin'), called('b.bin')]],
])('refuses outputs beyond a limit (%s) and leaves nothing stored', async (setting, limits, outputs) => {
  const { frames, collecting } = await collect(Buffer.alloc(1024), { outputs }, limits);
  await expect(collecting).rejects.toMatchObject({
    code: 'output_too_large',
    detail: expect.stringContaining(setting),
  });
  expect(await namesIn(frames)).toEqual([]);
});
