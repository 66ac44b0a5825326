import { Writable } from 'node:stream';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { byTurn } from '../src/logger.js';

function listen() {
  const writes: string[] = [];
  const target = new Writable({
    write(chunk, _encoding, done) {
      writes.push(String(chunk));
      done();
    },
  });
  const before = process.listeners('exit');
  const stream = byTurn(target);
  const [atExit] = process.listeners('exit').filter((listener) => !before.includes(listener));
  onTestFinished(() => void process.off('exit', atExit as () => void));
  return { stream, writes, exit: () => atExit?.(0) };
}

it('writes the lines of one turn at once and in order, before those of the next turn', async () => {
  const { stream, writes } = listen();
  stream.write('one\n');
  await Promise.resolve();
  stream.write('zwei ✓\n');
  expect(writes).toEqual([]);
  await yieldToEventLoop();
  expect(writes).toEqual(['one\nzwei ✓\n']);
  stream.write('three\n');
  await yieldToEventLoop();
  expect(writes).toEqual(['one\nzwei ✓\n', 'three\n']);
});

it('writes the last lines once when the process exits', async () => {
  const { stream, writes, exit } = listen();
  stream.write('failed\n');
  exit();
  expect(writes).toEqual(['failed\n']);
  await yieldToEventLoop();
  expect(writes).toEqual(['failed\n']);
});
