import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { HistoryEntry } from '@comfy-fleet/comfyui';
import sharp from 'sharp';
import { expect, it, onTestFinished } from 'vitest';
import { collectFrames } from '../src/job/collect.js';
import type { Tools } from '../src/tools.js';
import { aClaimedJob, someSlots } from './held.js';
import { namesIn, someStores } from './worker-stack.js';

/** A ComfyUI that shows one file, under whatever name, as the PNG that it calls everything. */
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
  outputs: [{ nodeId: '9', filename: 'saved.png', subfolder: '', type: 'output' }],
  temporary: [],
};

async function collect(file: Buffer) {
  const { frames } = await someStores();
  const { job } = await aClaimedJob(someSlots(await showing(file)));
  const tools = { frames } as Partial<Tools> as Tools;
  return { id: job.record.id, frames, collecting: collectFrames(job, entry, tools, new AbortController().signal) };
}

it.each(['png', 'jpeg', 'webp', 'gif'] as const)(
  'stores a %s as what its bytes are, whatever it is called',
  async (type) => {
    const picture = sharp({ create: { width: 96, height: 64, channels: 3, background: '#804020' } });
    const file = await picture.toFormat(type).toBuffer();
    const { id, frames, collecting } = await collect(file);
    const stored = { name: `${id}_1.${type}`, contentType: `image/${type}`, width: 96, height: 64, bytes: file.length };
    expect(await collecting).toEqual([{ ...stored, sha256: expect.any(String) }]);
    const stream = await frames.open(`${id}_1.${type}`);
    expect(stream === undefined ? undefined : await buffer(stream)).toEqual(file);
  },
);

it('reads the size of a JPEG behind metadata of 200 kB, as a whole workflow takes', async () => {
  const picture = sharp({ create: { width: 96, height: 64, channels: 3, background: '#804020' } });
  const jpeg = await picture.jpeg().toBuffer();
  const segment = Buffer.alloc(50_004, 'x');
  segment.writeUInt16BE(0xffed, 0);
  segment.writeUInt16BE(50_002, 2);
  const file = Buffer.concat([jpeg.subarray(0, 2), ...Array<Buffer>(4).fill(segment), jpeg.subarray(2)]);
  expect(await (await collect(file)).collecting).toMatchObject([{ width: 96, height: 64, contentType: 'image/jpeg' }]);
});

it.each([
  ['a BMP', Buffer.from('BM6\0\0\0\0\0\0\0')],
  ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
  ['half a header', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
  ['nothing', Buffer.alloc(0)],
])('says what it was that it cannot keep, and stores nothing, of %s', async (_what, file) => {
  const { frames, collecting } = await collect(file);
  await expect(collecting).rejects.toMatchObject({
    code: 'no_output',
    detail: 'What the workflow saved as saved.png is no PNG, JPEG, WebP or GIF; nothing else can be kept.',
  });
  expect(await namesIn(frames)).toEqual([]);
});
