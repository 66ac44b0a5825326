import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { NOWHERE, someSlots } from './held.js';

function anInstance(url: string) {
  const { instance } = someSlots(url);
  let times = 0;
  instance.events.on('freed', () => {
    times += 1;
  });
  return { instance, freed: () => times, signal: new AbortController().signal };
}

it('counts models and results as dropped when the instance breaks off the connection', async () => {
  const { instance, freed, signal } = anInstance(NOWHERE);
  await instance.free(signal);
  expect(freed()).toBe(1);
});

it('throws any other error', async () => {
  const server = createServer((_request, response) => response.writeHead(500).end());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const { instance, freed, signal } = anInstance(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await expect(instance.free(signal)).rejects.toMatchObject({ code: 'comfyui_error' });
  expect(freed()).toBe(0);
});
