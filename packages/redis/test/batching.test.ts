import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { batched, batchWrites } from '../src/batching.js';

describe('batched questions', () => {
  it('are each asked once and in order: full batches at once, the rest at the end of the turn', async () => {
    const asked: (readonly number[])[] = [];
    const ask = batched<number, number>(
      async (questions) => {
        asked.push(questions);
        return questions.map((question) => question * 10);
      },
      { maxBatchSize: 3 },
    );

    const answers = [1, 2, 3, 4, 5, 6, 7].map((question) => ask(question));
    expect(asked).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    await expect(Promise.all(answers)).resolves.toEqual([10, 20, 30, 40, 50, 60, 70]);
    await turn();
    await turn();
    expect(asked).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  });
});

it('sends the writes of one turn at once and in order, and later writes after them', async () => {
  const received: Buffer[] = [];
  const server = createServer((socket) => socket.on('data', (chunk) => received.push(chunk))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setNoDelay();
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  await once(socket, 'connect');
  batchWrites(socket);
  socket.write('a');
  await Promise.resolve();
  process.nextTick(() => socket.write(Buffer.from('b')));
  socket.write('c');
  expect(socket.writableLength).toBe(2); // nothing has left yet
  await until('all of it has arrived', () => Buffer.concat(received).toString() === 'acb');
  expect(received).toHaveLength(1);
  socket.write('d');
  await until('the rest has arrived', () => Buffer.concat(received).toString() === 'acbd');
});
