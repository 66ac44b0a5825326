import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newId } from '@comfy-fleet/contracts';
import { expect, it, onTestFinished, vi } from 'vitest';
import { frameName, openFrameStores } from '../src/index.js';

const MANY = 100;

it('reads a file of a bucket while many others are not read to their ends', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'x');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x');
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Length': 2 }).write('x');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const bucket = { bucket: 'b', prefix: '', region: 'us-east-1', endpoint, pathStyle: true, reads: 'proxied' } as const;
  const { frames } = await openFrameStores({ store: 's3', ...bucket }, { owner: 'gpu-1' });
  const opened = await Promise.all(Array.from({ length: MANY }, () => frames.open(frameName(newId(), 1))));
  expect(opened.filter((file) => file !== undefined)).toHaveLength(MANY);
  for (const file of opened) file?.destroy();
});
