import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { createAllTurns, createComputing, createTurns } from '../src/server/turns.js';

/** Work that lasts until the test releases it. */
function lasting() {
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => (end = resolve));
  return { work: () => over, end: () => end() };
}

it('starts the work of a key right after the running work, no matter how much work of another key waits', async () => {
  const turns = createTurns(2, { ofKey: 2 });
  const running = [lasting(), lasting()];
  const begun: string[] = [];
  const began = (name: string) => async () => void begun.push(name);
  const first = running.map(({ work }) => turns('anna', work));
  const waiting = Array.from({ length: 100 }, (_, n) => turns('anna', began(`anna ${n}`)));
  const other = turns('ben', began('ben'));
  running[0]?.end();
  await other;
  expect(begun.indexOf('ben')).toBeLessThanOrEqual(1);
  running[1]?.end();
  await Promise.all([...first, ...waiting]);
  expect(begun).toHaveLength(101);
});

it.each(['decoding', 'fetching', 'copying'] as const)('lets 500 requests of a key wait for %s', async (kind) => {
  const turns = createAllTurns()[kind];
  const held = lasting();
  const all = Array.from({ length: 600 }, () => turns('anna', held.work));
  const results = Promise.allSettled(all);
  await turns('ben', async () => held.end());
  const refused = (await results).filter(({ status }) => status === 'rejected');
  expect(refused.length).toBeGreaterThan(90);
  expect(refused[0]).toMatchObject({ reason: { code: 'rate_limited' } });
});

it('gives a key and the visitors of its pictures one decoder together, and the key the next turn', async () => {
  const { decoding, decodingForVisitors } = createAllTurns();
  const held = lasting();
  const begun: string[] = [];
  let visit: Promise<void> = Promise.resolve();
  await new Promise<void>((begin) => {
    visit = decodingForVisitors('anna', () => {
      begin();
      return held.work();
    });
  });
  const visits = ['one', 'two'].map((visitor) => decodingForVisitors('anna', async () => void begun.push(visitor)));
  const own = decoding('anna', async () => void begun.push('anna'));
  await decoding('ben', async () => void begun.push('ben'));
  expect(begun).toEqual(['ben']);
  held.end();
  await Promise.all([visit, own, ...visits]);
  expect(begun).toEqual(['ben', 'anna', 'one', 'two']);
});

it('limits how much work of all keys runs at a time', async () => {
  const turns = createTurns(2, { ofKey: 2 });
  let [now, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++now);
    await new Promise(setImmediate);
    now -= 1;
  };
  await Promise.all([...'aaabbbccc'].map((key) => turns(key, work)));
  expect(most).toBe(2);
});

it.each([
  ['fetching', () => createAllTurns().fetching],
  ['decoding', () => createAllTurns().decoding],
])('goes on with %s for other keys while that for one key gets nowhere', async (_, create) => {
  const turns = create();
  const stuck = lasting();
  const waiting = Array.from({ length: 20 }, () => turns('anna', stuck.work));
  expect(await turns('ben', () => 'done')).toBe('done');
  stuck.end();
  await Promise.all(waiting);
});

it('continues after work that failed', async () => {
  const turns = createTurns(1, { ofKey: 1 });
  await expect(turns('anna', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await turns('anna', () => 1)).toBe(1);
});

it('refuses more work of a key when too much of it waits, but not of other keys', async () => {
  const turns = createTurns(2, { ofKey: 1, waiting: 3 });
  const running = lasting();
  const first = turns('anna', running.work);
  await new Promise(setImmediate);
  const waiting = Array.from({ length: 3 }, (_, n) => turns('anna', () => n));
  const refusal = { code: 'rate_limited', retryAfterSeconds: 1 };
  await expect(turns('anna', () => 3)).rejects.toMatchObject(refusal);
  expect(await turns('ben', () => 4)).toBe(4);
  running.end();
  expect(await Promise.all([first, ...waiting])).toEqual([undefined, 0, 1, 2]);
});

it('drops work that waits for its turn when its signal aborts, with what it holds in memory', async () => {
  setFlagsFromString('--expose-gc');
  const turns = createTurns(2, { ofKey: 1 });
  const running = lasting();
  const first = turns('anna', running.work);
  const request = new AbortController();
  const submit = (picture: Buffer) => turns('anna', async () => picture.length, { signal: request.signal });
  const pictures: WeakRef<Buffer>[] = [];
  const waiting = [1, 2].map(() => {
    const picture = Buffer.alloc(1024 * 1024);
    pictures.push(new WeakRef(picture));
    return submit(picture);
  });
  request.abort(new Error('the caller left'));
  for (const one of waiting) await expect(one).rejects.toThrow('the caller left');
  await new Promise(setImmediate);
  runInNewContext('gc')();
  expect(pictures.map((one) => one.deref())).toEqual([undefined, undefined]);
  running.end();
  await first;
  expect(await turns('anna', () => 'next')).toBe('next');
});

it('does not begin a computation whose signal aborted while it waited', async () => {
  const computing = createComputing();
  const running = lasting();
  const first = computing('anna', running.work);
  const request = new AbortController();
  const begun: string[] = [];
  const left = computing('anna', () => begun.push('left'), { signal: request.signal });
  const next = computing('anna', () => begun.push('next'));
  request.abort(new Error('the caller left'));
  running.end();
  await expect(left).rejects.toThrow('the caller left');
  await Promise.all([first, next]);
  expect(begun).toEqual(['next']);
});

it('pauses a key after each long computation for as long as it took, even if it failed', async () => {
  const computing = createComputing();
  const spans: { readonly began: number; readonly ended: number }[] = [];
  const long = (name: string) => () => {
    const began = performance.now();
    while (performance.now() < began + 20);
    spans.push({ began, ended: performance.now() });
    if (name === 'bad') throw new Error('no');
  };
  const all = await Promise.allSettled(['good', 'bad', 'next'].map((name) => computing('anna', long(name))));
  expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  const pauses = spans.slice(1).map(({ began }, n) => began - (spans[n]?.ended ?? 0));
  for (const pause of pauses) expect(pause).toBeGreaterThan(15);
});

it('starts at most one long computation of all keys in each turn of the event loop', async () => {
  const computing = createComputing();
  let turn = 0;
  let isOver = false;
  const count = () => {
    turn += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const long = () => {
    const began = performance.now();
    while (performance.now() < began + 5);
    begun.push(turn);
    throw new Error('no');
  };
  const begun: number[] = [];
  await Promise.allSettled([...'abcdef'].map((key) => computing(key, long)));
  isOver = true;
  expect(new Set(begun).size).toBe(6);
});

it('runs computations of a key in order and one at a time, and refuses more when 500 wait', async () => {
  const computing = createComputing();
  const running = lasting();
  const first = computing('anna', running.work);
  const done: number[] = [];
  const waiting = Array.from({ length: 500 }, (_, n) => computing('anna', () => done.push(n)));
  await expect(computing('anna', () => 500)).rejects.toMatchObject({ code: 'rate_limited' });
  expect(await computing('ben', () => done.length)).toBe(0);
  running.end();
  await Promise.all([first, ...waiting]);
  expect(done).toEqual(Array.from({ length: 500 }, (_, n) => n));
});

it.each([
  ['its long work, also if that failed', { restAfterMs: -1 }],
  ['work that failed', { restAfterFailureMs: 1 }],
])('lets a key rest after %s, while others go on', async (_what, rest) => {
  const turns = createTurns(2, { ofKey: 1, ...rest });
  const order: string[] = [];
  const failing = turns('anna', () => {
    throw new Error('a hostile picture');
  });
  await failing.catch(() => order.push('failed'));
  const next = turns('anna', () => order.push('next of anna'));
  await turns('bert', () => order.push('bert'));
  await next;
  expect(order).toEqual(['failed', 'bert', 'next of anna']);
});
