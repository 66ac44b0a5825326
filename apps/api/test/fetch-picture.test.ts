import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSafeHttp } from '@comfy-fleet/safe-http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fetchPicture } from '../src/files/find-picture.js';
import { plain } from './pictures.js';

const http = createSafeHttp({ allow: ['127.0.0.1'] });
const { signal } = new AbortController();
const options = { maxBytes: 10_000, timeoutMs: 10_000, signal };
const png = await plain(8, 8, 'red').png().toBuffer();

async function serve(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/picture`;
}

const serveAs = (type: string | undefined, data: Buffer | string) =>
  serve((response) => response.writeHead(200, type === undefined ? {} : { 'Content-Type': type }).end(data));

describe('a picture named by image_url', () => {
  it.each(['image/png', 'image/jpeg', 'binary/octet-stream', undefined])(
    'is taken for what it is, whatever type the server claims: %s',
    async (type) => {
      const url = await serveAs(type, png);
      expect(await fetchPicture(url, http, options)).toEqual(png);
    },
  );

  it.each([
    ['JPEG', plain(8, 8, 'red').jpeg().toBuffer()],
    ['WebP', plain(8, 8, 'red').webp().toBuffer()],
  ])('may be a %s', async (_type, made) => {
    const data = await made;
    expect(await fetchPicture(await serveAs(undefined, data), http, options)).toEqual(data);
  });

  it.each([
    ['text/html; charset=utf-8', '<html>'],
    ['image/png', 'no picture'],
    [undefined, ''],
  ])('is refused when the URL leads to something else: %s', async (type, data) => {
    const detail = 'The URL does not lead to a PNG, JPEG or WebP.';
    await expect(fetchPicture(await serveAs(type, data), http, options)).rejects.toMatchObject({
      code: 'invalid_image',
      detail,
      errors: [{ pointer: '/image_url', detail }],
    });
  });

  it('names the field when the URL is not allowed', async () => {
    const fetching = fetchPicture('http://169.254.169.254/latest/meta-data/', http, options);
    const detail = 'The address in the URL is not a public one.';
    await expect(fetching).rejects.toMatchObject({
      code: 'url_not_allowed',
      detail,
      errors: [{ pointer: '/image_url', detail }],
    });
  });

  it('names the field when it is too large', async () => {
    const url = await serveAs('image/png', Buffer.concat([png, Buffer.alloc(10_000)]));
    const detail = 'The URL leads to more than 10000 bytes.';
    await expect(fetchPicture(url, http, options)).rejects.toMatchObject({
      code: 'url_unreachable',
      detail,
      errors: [{ pointer: '/image_url', detail }],
    });
  });

  it('is fetched after three redirects, but not after four', async () => {
    let left = 3;
    const target = await serve((response) => {
      if (left === 0) return response.end(png);
      left -= 1;
      return response.writeHead(302, { Location: '/picture' }).end();
    });
    expect(await fetchPicture(target, http, options)).toEqual(png);
    left = 4;
    await expect(fetchPicture(target, http, options)).rejects.toMatchObject({ code: 'url_unreachable' });
  });

  it('throws the reason of its signal', async () => {
    const gone = new Error('the caller is gone');
    const fetching = fetchPicture('http://127.0.0.1/', http, { ...options, signal: AbortSignal.abort(gone) });
    await expect(fetching).rejects.toBe(gone);
  });
});
