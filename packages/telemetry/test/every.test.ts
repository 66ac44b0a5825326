import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { createLogger, every } from '../src/index.js';

const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
const log = createLogger({ service: 'test', level: 'error', format: 'json', stream: nowhere });

/** Longer than any test may take, so waiting for its end would hang. */
const FOR_EVER_MS = 1_000_000;

it.each(['ends', 'fails'])(
  'ends when the signal aborts while the task is under way and the task then %s',
  async (how) => {
    const stopping = new AbortController();
    const task = async () => {
      stopping.abort();
      if (how === 'fails') throw new Error('stopped');
    };
    await every(FOR_EVER_MS, 'a task', task, { signal: stopping.signal, log });
  },
);

it('ends when the signal aborts between two runs', async () => {
  const stopping = new AbortController();
  let runs = 0;
  const over = every(FOR_EVER_MS, 'a task', async () => void runs++, { signal: stopping.signal, log });
  setImmediate(() => stopping.abort());
  await over;
  expect(runs).toBe(1);
});

it('runs a task again after it failed', async () => {
  const stopping = new AbortController();
  let runs = 0;
  const task = async () => {
    runs += 1;
    if (runs === 3) stopping.abort();
    throw new Error('not yet');
  };
  await every(1, 'a task', task, { signal: stopping.signal, log });
  expect(runs).toBe(3);
});
