import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { FleetError } from '@comfy-fleet/contracts';
import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import { until } from '@comfy-fleet/testing';
import express, { type NextFunction, type Request, type Response } from 'express';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fileReader } from '../src/server/form-readers.js';
import { anonymousCaller } from '../src/server/gate.js';
import { listen } from '../src/server/listen.js';
import { beginRequest, createInstruments, failed, localsOf } from '../src/server/locals.js';
import { type BodyToRead, bodyReader, readingError } from '../src/server/read-body.js';
import { createComputing, type Turns } from '../src/server/turns.js';

const LIMITS = {
  json: { depth: 8, values: 10_000, names: 100, nameBytes: 100 },
  maxJsonBytes: 1000,
  minUploadBytesPerSecond: 1e9,
};

/** An API that answers with the body that it read. */
interface Served extends Partial<BodyToRead> {
  readonly windowMs?: number;
  readonly minUploadBytesPerSecond?: number;
  readonly computing?: Turns;
}

async function serve({ windowMs, minUploadBytesPerSecond, computing = createComputing(), ...body }: Served = {}) {
  const log = createLogger({ service: 'api', level: 'error', format: 'json' });
  const app = express();
  const instruments = createInstruments(createMetrics({ service: 'api', log }));
  app.use(beginRequest({ dialects: [], log, instruments, downloads: () => () => {} }));
  const reader = bodyReader(
    { types: ['application/json'], maxBytes: 1_000_000, isJson: true, ...body },
    { ...LIMITS, ...(minUploadBytesPerSecond && { minUploadBytesPerSecond }) },
    computing,
    windowMs,
  );
  app.post('/', ...reader, (request, response) => {
    response.json({ got: request.body });
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) =>
    failed(readingError(error), request, response),
  );
  const server = await listen({ host: '127.0.0.1', port: 0, idleMs: 60_000 });
  onTestFinished(() => server.close(0));
  server.serve(app);
  const { port } = server;
  const post = async (sent: Buffer | string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      body: Buffer.from(sent),
      headers: { 'Content-Type': 'application/json', ...headers },
    });
    return (await answer.json()) as { got?: unknown; code?: string; detail?: string };
  };
  return { port, post };
}

const words = (bytes: number) => JSON.stringify({ a: 'x'.repeat(bytes) });

describe('a body', () => {
  it('may be empty, and then has no fields', async () => {
    expect(await (await serve()).post('')).toEqual({ got: {} });
  });

  it.each<[string, string | Buffer, Record<string, string>, FleetError['code'], RegExp]>([
    ['too large', words(1_000_000), {}, 'body_too_large', /1000000 bytes/],
    ['compressed', gzipSync('{}'), { 'Content-Encoding': 'gzip' }, 'unsupported_media_type', /compressed/],
    ['of another type', '{}', { 'Content-Type': 'text/plain' }, 'unsupported_media_type', /application\/json/],
    ['a text', '"text"', {}, 'validation_failed', /JSON object/],
  ])('is refused when it is %s', async (_, body, headers, code, detail) => {
    const { post } = await serve();
    expect(await post(body, headers)).toMatchObject({ code, detail: expect.stringMatching(detail) });
  });
});

it('is not parsed any further when its caller has left', async () => {
  const computing = createComputing();
  const asked: (AbortSignal | undefined)[] = [];
  const counted: Turns = (key, work, options) => {
    asked.push(options?.signal);
    return computing(key, work, options);
  };
  let end = () => {};
  const first = computing('', () => new Promise<void>((resolve) => (end = resolve)));
  const socket = connect((await serve({ computing: counted })).port, '127.0.0.1');
  const body = words(500_000);
  socket.write(`${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`);
  await until('the body waits for its turn', () => asked.length === 1);
  socket.destroy();
  await until('the request has ended', () => asked[0]?.aborted === true);
  end();
  await first;
  await computing('', () => {});
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  expect(asked).toHaveLength(1);
});

const HEAD = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

describe('the arrival of a body', () => {
  it('that stalls is answered with 408, and the connection ends', async () => {
    const socket = connect((await serve({ windowMs: 20 })).port, '127.0.0.1');
    socket.write(`${HEAD}Content-Length: 10\r\n\r\nhalf`);
    const answer = await text(socket); // to its end
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toMatch(/^connection: close/im);
    expect(answer).toContain('body_too_slow');
  });

  it('that is trickled after a fast start is answered with 408, however large it is declared', async () => {
    const { port } = await serve({ windowMs: 20, maxBytes: 2 ** 35, minUploadBytesPerSecond: 1e6 });
    const socket = connect(port, '127.0.0.1');
    socket.write(`${HEAD}Content-Length: 2000000000\r\n\r\n${' '.repeat(1_000_000)}`);
    const trickle = setInterval(() => socket.write(' '), 5);
    onTestFinished(() => clearInterval(trickle));
    const [answer] = await once(socket, 'data');
    expect(`${answer}`).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('that is a file is read no further once the response is sent', async () => {
    const log = createLogger({ service: 'api', level: 'error', format: 'json' });
    const instruments = createInstruments(createMetrics({ service: 'api', log }));
    const reading = { isOver: false };
    const app = express().use(beginRequest({ dialects: [], log, instruments, downloads: () => () => {} }));
    app.post('/', (request, response, next) => {
      localsOf(response).caller = anonymousCaller;
      const receive = async (chunks: AsyncIterable<Uint8Array>) => {
        try {
          for await (const _ of chunks) response.status(408).end();
          return expect.fail('the body has no end');
        } finally {
          reading.isOver = true;
        }
      };
      fileReader(receive, next)(request, response, next);
    });
    const server = await listen({ host: '127.0.0.1', port: 0, idleMs: 60_000 });
    onTestFinished(() => server.close(0));
    server.serve(app);
    connect(server.port, '127.0.0.1').write(`${HEAD}Content-Length: 2\r\n\r\nx`);
    await until('the reader stops', () => reading.isOver);
  });

  it('that is sent fast enough is read, however long it takes', async () => {
    const windowMs = 300;
    const { port } = await serve({ windowMs, minUploadBytesPerSecond: 1 });
    const socket = connect(port, '127.0.0.1');
    socket.write(`${HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (const began = performance.now(); performance.now() - began < 3 * windowMs; ) {
      socket.write('64\r\n'.concat(' '.repeat(100), '\r\n'));
      await delay(windowMs / 30);
    }
    socket.write('2\r\n{}\r\n0\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('in too many small chunks is answered with 400, and the connection ends', async () => {
    const socket = connect((await serve()).port, '127.0.0.1');
    socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    socket.write('1\r\n \r\n'.repeat(100_000)); // the server never reads all of it
    const answer = await text(socket); // to its end
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/^connection: close/im);
    expect(answer).toContain('malformed_request');
  });

  it.each([
    ['few small chunks', '1\r\n \r\n'.repeat(900)],
    ['many chunks of 600 bytes', `258\r\n${' '.repeat(600)}\r\n`.repeat(1200)],
  ])('in %s is read', async (_what, chunks) => {
    const socket = connect((await serve()).port, '127.0.0.1');
    socket.write(`${HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`);
    socket.write(`${chunks}2\r\n{}\r\n0\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });
});
