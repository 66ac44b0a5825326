import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { FleetError } from '@comfy-fleet/contracts';
import express from 'express';
import { expect, it, onTestFinished } from 'vitest';
import { createApp } from '../src/http/express-classes.js';
import { steadyArrival } from '../src/http/steady-arrival.js';
import { listen } from '../src/server.js';

/** An API that wants so many bytes a second of a body, and answers with how many it got. */
async function serve(bytesPerSecond: number): Promise<number> {
  const app = createApp();
  const refuse = async (error: FleetError, _request: express.Request, response: express.Response) => {
    response.status(error.status).send(error.code);
  };
  app.post(
    '/',
    steadyArrival({ bytesPerSecond, windowMs: 20, refuse }),
    express.raw({ type: () => true }),
    (request, response) => {
      response.send(`${request.body.length} bytes`);
    },
  );
  const server = await listen({ host: '127.0.0.1', port: 0, idleMs: 60_000 });
  onTestFinished(() => server.close(0));
  server.serve(app);
  return server.port;
}

const HEAD = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n';

it('answers 408 to a body that stops arriving, and ends the connection', async () => {
  const socket = connect(await serve(1000), '127.0.0.1');
  socket.write(`${HEAD}\r\nhalf`);
  const answer = await text(socket); // to its end
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  expect(answer).toMatch(/^connection: close/im);
  expect(answer).toContain('body_too_slow');
});

it('leaves alone a body that is whole, and one of which enough comes', async () => {
  const whole = connect(await serve(1000), '127.0.0.1');
  whole.write(`${HEAD}Connection: close\r\n\r\n0123456789`);
  expect(await text(whole)).toContain('10 bytes');
  const slow = connect(await serve(0), '127.0.0.1');
  slow.write(`${HEAD}Connection: close\r\n\r\n`);
  for (const byte of '0123456789') {
    await new Promise((resolve) => setTimeout(resolve, 10));
    slow.write(byte);
  }
  expect(await text(slow)).toContain('10 bytes');
});

it('answers 400 to a body that comes in too many small chunks, and ends the connection', async () => {
  const socket = connect(await serve(0), '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
  socket.write('1\r\n \r\n'.repeat(100_000)); // never all of it
  const answer = await text(socket); // to its end
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toMatch(/^connection: close/im);
  expect(answer).toContain('malformed_request');
});

it.each([
  ['few small chunks', '1\r\n \r\n'.repeat(900)],
  ['many chunks of 80 bytes', `50\r\n${' '.repeat(80)}\r\n`.repeat(1200)],
])('leaves alone a body of %s', async (_what, chunks) => {
  const socket = connect(await serve(0), '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n');
  socket.write(`${chunks}0\r\n\r\n`);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
});
