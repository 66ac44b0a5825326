import { expect, it } from 'vitest';
import { createAllTurns } from '../src/server/turns.js';

/** Reads that end when the test ends them, with a count of the running ones. */
function someReads() {
  const ends: (() => void)[] = [];
  return {
    read: () => new Promise<void>((resolve) => ends.push(resolve)),
    get underWay() {
      return ends.length;
    },
    endOne: () => ends.shift()?.(),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

it('reads two lists of a key at a time and four of all keys', async () => {
  const { heavyReads } = createAllTurns();
  const [anna, others] = [someReads(), someReads()];
  for (let n = 0; n < 5; n++) heavyReads('anna', anna.read);
  for (const key of ['ben', 'cleo', 'dora']) heavyReads(key, others.read);
  await settled();
  expect([anna.underWay, others.underWay]).toEqual([2, 2]);
  anna.endOne();
  await settled();
  // The next turn goes to the other key, whose read has waited longer.
  expect([anna.underWay, others.underWay]).toEqual([1, 3]);
});

it('does not free a slot of a key until the answer has been sent', async () => {
  const { heavyReads } = createAllTurns();
  let sent = () => {};
  const sending = new Promise<void>((resolve) => {
    sent = resolve;
  });
  const answers = [1, 2].map((n) => heavyReads('anna', async () => n, { sent: () => sending }));
  expect(await Promise.all(answers)).toEqual([1, 2]);
  const next = someReads();
  heavyReads('anna', next.read);
  await settled();
  expect(next.underWay).toBe(0);
  sent();
  await settled();
  expect(next.underWay).toBe(1);
});

it('refuses a key that has fifty waiting requests, but no other key', async () => {
  const { heavyReads } = createAllTurns();
  for (let n = 0; n < 52; n++) heavyReads('anna', someReads().read);
  await settled();
  const refusal = { code: 'rate_limited', retryAfterSeconds: 1 };
  await expect(heavyReads('anna', async () => 1)).rejects.toMatchObject(refusal);
  expect(await heavyReads('ben', async () => 2)).toBe(2);
});
