import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { clientOf, failureOf, never } from './support/client.js';
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

  it('answers the name under which ComfyUI stored it', async () => {
    const server = await serve(answers(stored('a (1).png', 'sub/one')));
    const name = await clientOf(server.url).upload('a.png', Buffer.from('x'), { bytes: 1, signal: never() });
    expect(name).toBe('sub/one/a (1).png');
  });

  it('takes longer than the deadline when the picture keeps flowing', async () => {
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

  it('passes on the error of the stream when the picture cannot be read', async () => {
    const server = await serve(answers(stored('a.png')));
    const broken = new Readable({
      read() {
        this.destroy(new FleetError('storage_failed', 'The disk is gone.'));
      },
    });
    const error = await failureOf(clientOf(server.url).upload('a.png', broken, { bytes: 5, signal: never() }));
    expect([error.code, error.detail]).toEqual(['storage_failed', 'The disk is gone.']);
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

  it('destroys the stream when the instance cannot be reached', async () => {
    const server = await serve(() => undefined);
    await server.close();
    const data = new Readable({ read: () => undefined });
    const error = await failureOf(clientOf(server.url).upload('a.png', data, { bytes: 5, signal: never() }));
    expect(error.code).toBe('instance_unreachable');
    expect(data.destroyed).toBe(true);
  });
});
