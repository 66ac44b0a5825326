import { expect, it } from 'vitest';
import { NewsFeed } from '../src/waiting/news-feed.js';

const never = new AbortController().signal;

it('gives news in the order of their coming, those from before first', async () => {
  const feed = new NewsFeed<string>();
  feed.push('a');
  feed.push('b');
  expect(await feed.next(1000, never)).toBe('a');
  expect(await feed.next(1000, never)).toBe('b');
  const next = feed.next(60_000, never);
  feed.push('c');
  expect(await next).toBe('c');
});

it('answers undefined when it stayed quiet', async () => {
  expect(await new NewsFeed<string>().next(1, never)).toBeUndefined();
});

it('throws the reason of its signal, also while it waits', async () => {
  const reason = new Error('stopping');
  const abort = new AbortController();
  const waiting = new NewsFeed<string>().next(60_000, abort.signal);
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(new NewsFeed<string>().next(1, abort.signal)).rejects.toBe(reason);
});
