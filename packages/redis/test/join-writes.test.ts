import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { joinWrites } from '../src/joined.js';

it('sends what is written in one turn together, in order, and what is written later after it', async () => {
  const received: Buffer[] = [];
  const server = createServer((socket) => socket.on('data', (chunk) => received.push(chunk))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setNoDelay();
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  await once(socket, 'connect');
  joinWrites(socket);
  socket.write('a');
  await Promise.resolve();
  process.nextTick(() => socket.write(Buffer.from('b')));
  socket.write('c');
  expect(socket.writableLength).toBe(2); // nothing has left yet
  await until('all has come', () => Buffer.concat(received).toString() === 'acb');
  expect(received).toHaveLength(1);
  socket.write('d');
  await until('the rest has come', () => Buffer.concat(received).toString() === 'acbd');
});
