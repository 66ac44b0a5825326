import { expect, it } from 'vitest';
import { backoffMs, NewsFeed } from '../src/waiting.js';

it('doubles the pause with every attempt up to half a minute, with jitter of half up or down', () => {
  const pauses = (random: number) => [1, 2, 3, 6, 20].map((attempt) => backoffMs(attempt, () => random));
  expect(pauses(0)).toEqual([500, 1000, 2000, 15_000, 15_000]);
  expect(pauses(0.5)).toEqual([1000, 2000, 4000, 30_000, 30_000]);
});

const never = new AbortController().signal;

it('returns news in the order of arrival, including news from before the first call', async () => {
  const feed = new NewsFeed<string>();
  feed.push('a');
  feed.push('b');
  expect(await feed.next(1000, never)).toBe('a');
  expect(await feed.next(1000, never)).toBe('b');
  const next = feed.next(60_000, never);
  feed.push('c');
  expect(await next).toBe('c');
});

it('answers undefined after the quiet time', async () => {
  expect(await new NewsFeed<string>().next(1, never)).toBeUndefined();
});

it("throws the signal's reason, also while it waits", async () => {
  const reason = new Error('stopping');
  const abort = new AbortController();
  const waiting = new NewsFeed<string>().next(60_000, abort.signal);
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(new NewsFeed<string>().next(1, abort.signal)).rejects.toBe(reason);
});
