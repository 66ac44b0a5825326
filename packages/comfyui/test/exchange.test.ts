import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { clientOf, never } from './support/client.js';
import { serve } from './support/local-server.js';

const QUEUE = JSON.stringify({ queue_running: [[1, 'p', {}, {}, []]], queue_pending: [] });

describe('an answer', () => {
  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('is read when it comes compressed by %s, which the request allows', async (encoding, compress) => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(compress(QUEUE));
    });
    expect(await clientOf(server.url).queue(never())).toEqual({ running: ['p'], pending: [] });
    expect(server.seen[0]?.headers['accept-encoding']).toContain(encoding);
  });

  it('is instance_unreachable when what was compressed is cut off', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(QUEUE).subarray(0, 20));
    });
    await expect(clientOf(server.url).queue(never())).rejects.toMatchObject({ code: 'instance_unreachable' });
  });
});

describe('a request that is aborted', () => {
  it('throws the reason though it still waits for one of the connections', async () => {
    const held: (() => void)[] = [];
    const server = await serve((_request, response) => held.push(() => response.end(QUEUE)));
    const client = clientOf(server.url);
    const others = Array.from({ length: 16 }, () => client.queue(never()));
    const abort = new AbortController();
    const waiting = client.queue(abort.signal);
    const reason = new Error('nobody wants it any more');
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect.poll(() => held.length).toBe(16);
    for (const answer of held) answer();
    await Promise.all(others);
  });
});

describe('the address of an instance', () => {
  it('may have a path and credentials', async () => {
    const server = await serve((_request, response) => response.end(QUEUE));
    await clientOf(`${server.url.replace('//', '//me:my%20word@')}/gpu/0/`).queue(never());
    expect(server.seen[0]?.url).toBe('/gpu/0/queue');
    expect(server.seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:my word').toString('base64')}`);
  });
});
