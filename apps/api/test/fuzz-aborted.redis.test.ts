import { once } from 'node:events';
import type { Socket } from 'node:net';
import { until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { startApi, type TestApi } from './api.js';
import { allFiles, allJobs } from './fuzz/client.js';
import { firstBytes, opened } from './fuzz/raw-http.js';
import { noise } from './pictures.js';

/** How many callers run at a time. */
const MANY = 20;
/** The smallest piece that a slow caller sends, which splits each request into a few dozen pieces. */
const PIECES = 40;

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'));
});
afterEach(() => api.close());

const json = (path: string, body: string) =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );

async function requests(): Promise<readonly (readonly [string, Buffer])[]> {
  const png = await noise().png().toBuffer();
  const part = (head: string, data: Buffer | string) => [
    Buffer.from(`--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
    Buffer.from(data),
    Buffer.from('\r\n'),
  ];
  const form = Buffer.concat([
    ...part('name="prompt"', 'a fox'),
    ...part('name="image"; filename="a.png"\r\nContent-Type: image/png', png),
    Buffer.from('--b--\r\n'),
  ]);
  const head = `POST /img2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${form.length}\r\n\r\n`;
  return [
    ['JSON', json('/generate', JSON.stringify({ prompt: 'a lighthouse', negative_prompt: 'x'.repeat(2000) }))],
    ['a picture in JSON', json('/img2img', JSON.stringify({ prompt: 'a fox', image: png.toString('base64') }))],
    ['a form', Buffer.concat([Buffer.from(head), form])],
    ['a batch', json('/jobs/batch', JSON.stringify({ jobs: Array.from({ length: 20 }, () => ({ prompt: 'a fox' })) }))],
  ];
}

/** Everything except the last byte, the nearest thing to a complete request. */
const unfinished = (request: Buffer) => request.subarray(0, -1);

async function written(socket: Socket, bytes: Buffer): Promise<void> {
  await new Promise((sent) => socket.write(bytes, sent));
}

async function expectNothingLeft(callers: number): Promise<void> {
  const aborted = () => api.logged.filter(({ message, method }) => message === 'request' && method === 'POST');
  await until('the API to have seen all of them leave', () => aborted().length === callers);
  expect(await allFiles(api)).toEqual([]);
  expect([...(await allJobs(api, 'anybody'))]).toEqual([]);
  expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
  expect((await api.post('/generate', { prompt: 'a lighthouse' })).status).toBe(202);
}

describe('a request that is never completed leaves no job and no file', () => {
  const leaves: [string, (socket: Socket) => void][] = [
    ['the caller hangs up', (socket) => socket.destroy()],
    ['the connection is reset', (socket) => socket.resetAndDestroy()],
    ['the caller closes its side', (socket) => socket.end()],
  ];
  it.each(leaves)('when %s before its last byte', async (_how, leave) => {
    const all = await requests();
    const callers = all.flatMap(([, request]) => Array.from({ length: MANY / all.length }, () => request));
    await Promise.all(
      callers.map(async (request) => {
        const socket = await opened(api.port);
        const closed = once(socket.resume(), 'close');
        await written(socket, unfinished(request));
        leave(socket);
        await closed;
      }),
    );
    await expectNothingLeft(callers.length);
  });

  it('when it arrives slowly and then stalls', async () => {
    const all = await requests();
    const sockets = await Promise.all(
      all.map(async ([, request]) => {
        const socket = await opened(api.port);
        const bytes = unfinished(request);
        const size = Math.ceil(bytes.length / PIECES);
        for (let at = 0; at < bytes.length; at += size) await written(socket, bytes.subarray(at, at + size));
        return socket;
      }),
    );
    // Other requests are served meanwhile.
    expect((await api.get('/lods')).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await expectNothingLeft(all.length);
  });
});

describe('a request that arrives slowly', () => {
  it('is served when it is complete', async () => {
    for (const [name, request] of await requests()) {
      const socket = await opened(api.port);
      const answered = firstBytes(socket);
      answered.catch(() => {}); // until it is waited for
      const size = Math.ceil(request.length / PIECES);
      for (let at = 0; at < request.length; at += size) await written(socket, request.subarray(at, at + size));
      expect(String(await answered), name).toMatch(/^HTTP\/1\.1 202 /);
      socket.destroy();
    }
  });
});
