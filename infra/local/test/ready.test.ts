import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { watch } from '../ready.mjs';

it('notices each time that a service which answered, even with 503, has hung', async () => {
  let asked = 0;
  const hung: number[] = [];
  const server = createServer((_request, response) => {
    asked += 1;
    // A hung process takes connections and answers nothing.
    if (asked <= 20) response.writeHead(503).end();
    else response.destroy();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const over = new AbortController();
  const onHung = () => {
    hung.push(asked);
    if (hung.length === 2) over.abort();
  };
  await watch(() => `http://127.0.0.1:${port}/livez`, onHung, over.signal, { everyMs: 1, hungAfterMs: 10 });
  expect(hung[0]).toBeGreaterThan(20);
  expect(hung[1]).toBeGreaterThan(hung[0] ?? 0);
});
