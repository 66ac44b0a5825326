import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fresh } from '../src/index.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Counts the requests; the test gives each answer. */
function source() {
  const asked: PromiseWithResolvers<number>[] = [];
  const signals: AbortSignal[] = [];
  const ask = (signal: AbortSignal) => {
    const question = withResolvers<number>();
    asked.push(question);
    signals.push(signal);
    return question.promise;
  };
  return { ask, asked, signals, answer: (value: number) => asked.at(-1)?.resolve(value) };
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('now', () => {
  it('shares the request in progress', async () => {
    const { ask, asked, answer } = source();
    const value = fresh(1000, ask);
    const both = Promise.all([value.now(), value.now()]);
    answer(1);
    expect(await both).toEqual([1, 1]);
    expect(asked).toHaveLength(1);
  });

  it('returns an answer while it is fresh, counted from its arrival, and then requests a new one', async () => {
    const { ask, asked, answer } = source();
    const value = fresh(1000, ask);
    const first = value.now();
    vi.advanceTimersByTime(5000);
    answer(1);
    await first;
    vi.advanceTimersByTime(999);
    expect(await value.now()).toBe(1);
    expect(asked).toHaveLength(1);
    vi.advanceTimersByTime(1);
    const second = value.now();
    answer(2);
    expect(await second).toBe(2);
  });

  it('caches nothing when answers are fresh for 0 ms', async () => {
    const { ask, asked, answer } = source();
    const value = fresh(0, ask);
    for (const n of [1, 2]) {
      const found = value.now();
      answer(n);
      expect(await found).toBe(n);
    }
    expect(asked).toHaveLength(2);
  });

  it('caches undefined like any other answer', async () => {
    const ask = vi.fn(() => Promise.resolve(undefined));
    const value = fresh(1000, ask);
    await value.now();
    await value.now();
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it('rejects for everyone who waits for a failed request, and makes a new one for the next caller', async () => {
    const { ask, asked, answer } = source();
    const value = fresh(1000, ask);
    const both = Promise.allSettled([value.now(), value.now()]);
    asked[0]?.reject(new Error('away'));
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const next = value.now();
    answer(1);
    expect(await next).toBe(1);
  });
});

it('again requests a new answer although the last one is fresh, and joins a request in progress', async () => {
  const { ask, asked, answer } = source();
  const value = fresh(1000, ask);
  const first = value.now();
  answer(1);
  await first;
  const both = Promise.all([value.again(), value.again()]);
  answer(2);
  expect(await both).toEqual([2, 2]);
  expect(await value.now()).toBe(2);
  expect(asked).toHaveLength(2);
});

describe('latest', () => {
  it('is returned at once, and renewed in the background when it is not fresh', async () => {
    const { ask, asked, answer } = source();
    const value = fresh(1000, ask);
    expect(value.latest()).toBeUndefined();
    expect(asked).toHaveLength(1);
    answer(1);
    await value.now();
    expect(value.latest()).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(value.latest()).toBe(1);
    expect(value.latest()).toBe(1);
    expect(asked).toHaveLength(2);
  });

  it('does not change when a request fails', async () => {
    const { ask, asked, answer } = source();
    const value = fresh(1000, ask);
    const first = value.now();
    answer(1);
    await first;
    const second = value.again();
    asked[1]?.reject(new Error('away'));
    await expect(second).rejects.toThrow('away');
    expect(value.latest()).toBe(1);
  });
});

describe('a deadline', () => {
  it('aborts the signal of the request and rejects for everyone who shares it', async () => {
    const { ask, signals } = source();
    const value = fresh(1000, ask, 50);
    const waiting = Promise.allSettled([value.now(), value.again()]);
    vi.advanceTimersByTime(49);
    expect(signals[0]?.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(signals[0]?.aborted).toBe(true);
    for (const end of await waiting) expect(end).toMatchObject({ reason: new Error('no answer within 50 ms') });
  });

  it('allows no second request while one hangs, and later callers do not wait for it', async () => {
    const { ask, asked } = source();
    const value = fresh(1000, ask, 50);
    const waiting = expect(value.now()).rejects.toThrow('no answer');
    vi.advanceTimersByTime(50);
    await waiting;
    await expect(value.now()).rejects.toThrow('no answer');
    expect(asked).toHaveLength(1);
  });

  it('does not prevent the caching of an answer that arrives after it', async () => {
    const { ask, answer } = source();
    const value = fresh(1000, ask, 50);
    const waiting = expect(value.now()).rejects.toThrow('no answer');
    vi.advanceTimersByTime(50);
    await waiting;
    answer(1);
    await vi.waitFor(() => expect(value.latest()).toBe(1), { timeout: 120_000 });
  });

  it('leaves no timer when the answer is in time', async () => {
    const { ask, answer } = source();
    const found = fresh(1000, ask, 50).now();
    answer(1);
    await found;
    expect(vi.getTimerCount()).toBe(0);
  });
});
