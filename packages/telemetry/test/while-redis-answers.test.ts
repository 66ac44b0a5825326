import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { whileRedisAnswers } from '../src/index.js';

const never = new Promise<never>(() => {});
const there = async () => 'PONG';
const hanging = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

it('resolves or rejects like the work, whatever Redis does', async () => {
  expect(await whileRedisAnswers(Promise.resolve(7), { ping: hanging, patienceMs: 60_000 })).toBe(7);
  const failed = Promise.reject(new Error('no'));
  await expect(whileRedisAnswers(failed, { ping: there })).rejects.toThrow('no');
});

// Most of these wait for seconds, so they run concurrently.
it.concurrent.each([
  ['refuses', () => Promise.reject(new Error('ECONNREFUSED'))],
  ['hangs', hanging],
])('ends the wait for work that never ends when Redis %s', async (_how, ping) => {
  await expect(whileRedisAnswers(never, { ping, patienceMs: 20 })).rejects.toThrow('Redis has not answered for 0.02 s');
});

it.concurrent('keeps waiting when Redis is back', async () => {
  let pings = 0;
  let finish: (word: string) => void = () => undefined;
  const work = new Promise<string>((resolve) => {
    finish = resolve;
  });
  const ping = async () => {
    pings += 1;
    if (pings === 1) throw new Error('ECONNREFUSED');
    if (pings === 3) finish('done');
  };
  expect(await whileRedisAnswers(work, { ping, patienceMs: 60_000 })).toBe('done');
});

it.concurrent('stops waiting for a Redis that hangs, even if the garbage collector runs meanwhile', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const collecting = setInterval(collect, 100);
  try {
    await expect(whileRedisAnswers(never, { ping: hanging, patienceMs: 20 })).rejects.toThrow('Redis has not answered');
  } finally {
    clearInterval(collecting);
  }
});
