import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { clientOf, failureOf, never } from './support/client.js';
import { listen } from './support/listen.js';
import { answers, serve } from './support/local-server.js';

const stored = (name: string, subfolder = '') => ({
  '/upload/image': { body: JSON.stringify({ name, subfolder, type: 'input', asset: { id: 'x' } }) },
});

describe('upload', () => {
  it.each([
    ['a buffer', () => Buffer.from('hello')],
    ['a stream', () => Readable.from([Buffer.from('hel'), Buffer.from('lo')])],
  ])('sends %s as one multipart file with its length', async (_kind, data) => {
    const server = await serve(answers(stored('a.png')));
    expect(await clientOf(server.url).upload('a.png', data(), { bytes: 5, signal: never() })).toBe('a.png');
    const [request] = server.seen;
    expect(request?.headers['content-length']).toBe(String(request?.body.length));
    expect(request?.headers['transfer-encoding']).toBeUndefined();
    expect(request?.body.toString()).toMatch(/name="image"; filename="a\.png"[\s\S]*\r\n\r\nhello\r\n--/);
  });

  it('answers the name under which ComfyUI stored the file', async () => {
    const server = await serve(answers(stored('a (1).png', 'sub/one')));
    const name = await clientOf(server.url).upload('a.png', Buffer.from('x'), { bytes: 1, signal: never() });
    expect(name).toBe('sub/one/a (1).png');
  });

  it('may take longer than the deadline while the file keeps flowing', async () => {
    const server = await serve(answers(stored('a.png')));
    const pieces = 30;
    async function* slowly() {
      for (let piece = 0; piece < pieces; piece += 1) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        yield Buffer.alloc(1000, piece);
      }
    }
    const data = Readable.from(slowly());
    await clientOf(server.url, 1000).upload('a.png', data, { bytes: pieces * 1000, signal: never() });
    expect(server.seen[0]?.body.length).toBeGreaterThan(pieces * 1000);
  });

  it('sends an empty file', async () => {
    const server = await serve(answers(stored('a.txt')));
    expect(await clientOf(server.url).upload('a.txt', Readable.from([]), { bytes: 0, signal: never() })).toBe('a.txt');
    expect(server.seen[0]?.body.toString()).toMatch(/filename="a\.txt"[\s\S]*\r\n\r\n\r\n--/);
  });

  it('may take longer than the deadline when the instance reads a large buffer bit by bit', async () => {
    const megabytes = 2 ** 20;
    let taken = 0;
    const server = createServer((request, response) => {
      let more = 4 * megabytes;
      request.on('data', (chunk: Buffer) => {
        taken += chunk.length;
        if (taken < more) return;
        more += 4 * megabytes;
        request.pause();
        setTimeout(() => request.resume(), 200);
      });
      request.on('end', () => response.end('{"name":"a.png"}'));
    });
    const client = clientOf((await listen(server)).url, 2000);
    const picture = Buffer.alloc(60 * megabytes);
    expect(await client.upload('a.png', picture, { bytes: picture.length, signal: never() })).toBe('a.png');
    expect(taken).toBeGreaterThan(picture.length);
  });

  it('is instance_unreachable when the instance stops reading', async () => {
    const { url } = await listen(createServer((request) => void request.pause()));
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(64 * 1024));
      },
    });
    const error = await failureOf(clientOf(url, 300).upload('a.png', endless, { bytes: 2 ** 50, signal: never() }));
    expect(error.detail).toBe('The ComfyUI instance gpu/1 did not answer within 300 ms.');
    expect(endless.destroyed).toBe(true);
  });

  it('is instance_unreachable when the connection breaks half-way', async () => {
    const { url } = await listen(createServer((request) => request.once('data', () => request.socket.destroy())));
    const picture = Buffer.alloc(16 * 1024 * 1024);
    const error = await failureOf(clientOf(url).upload('a.png', picture, { bytes: picture.length, signal: never() }));
    expect(error.detail).toBe('The ComfyUI instance gpu/1 broke off the connection.');
  });

  it('passes on the error of a stream that cannot be read', async () => {
    const server = await serve(answers(stored('a.png')));
    const broken = new Readable({
      read() {
        this.destroy(new FleetError('storage_failed', 'The disk is gone.'));
      },
    });
    const error = await failureOf(clientOf(server.url).upload('a.png', broken, { bytes: 5, signal: never() }));
    expect([error.code, error.detail]).toEqual(['storage_failed', 'The disk is gone.']);
  });

  it('passes on the error of the stream while the upload waits for a connection', async () => {
    const server = await serve(() => undefined);
    const client = clientOf(server.url);
    for (let other = 0; other < 16; other += 1) client.queue(never()).catch(() => undefined);
    await until('16 requests', () => server.seen.length === 16);
    const data = new Readable({ read: () => undefined });
    const uploading = failureOf(client.upload('a.png', data, { bytes: 5, signal: never() }));
    data.destroy(new FleetError('storage_failed', 'The disk is gone.'));
    expect((await uploading).code).toBe('storage_failed');
  });

  it.each([
    [413, 'The ComfyUI instance gpu/1 refused a picture of 5 bytes as too large.'],
    [400, 'The ComfyUI instance gpu/1 answered 400 to POST /upload/image.'],
    [500, 'The ComfyUI instance gpu/1 answered 500 to POST /upload/image.'],
  ])('is comfyui_error when the answer is %i', async (status, detail) => {
    const server = await serve(answers({ '/upload/image': { status, body: '' } }));
    const uploading = clientOf(server.url).upload('a.png', Buffer.from('hello'), { bytes: 5, signal: never() });
    const error = await failureOf(uploading);
    expect([error.code, error.detail]).toEqual(['comfyui_error', detail]);
  });

  it('destroys the stream when the instance is unreachable', async () => {
    const server = await serve(() => undefined);
    await server.close();
    const data = new Readable({ read: () => undefined });
    const error = await failureOf(clientOf(server.url).upload('a.png', data, { bytes: 5, signal: never() }));
    expect(error.code).toBe('instance_unreachable');
    expect(data.destroyed).toBe(true);
  });
});
