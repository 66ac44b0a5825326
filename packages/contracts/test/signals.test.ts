import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { joinSignals, orAborted } from '../src/index.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const listenersOf = (...signals: AbortSignal[]) => signals.map((signal) => getEventListeners(signal, 'abort').length);

describe('a joined signal', () => {
  it.each([0, 1])('aborts with the reason of the signal that aborts, number %i', (which) => {
    const sources = [new AbortController(), new AbortController()];
    const { signal } = joinSignals(sources.map((source) => source.signal));
    expect(signal.aborted).toBe(false);
    sources[which]?.abort('gone');
    expect(signal.reason).toBe('gone');
  });

  it('is aborted from the beginning when one of them is', () => {
    const { signal } = joinSignals([new AbortController().signal, AbortSignal.abort('gone')]);
    expect(signal.reason).toBe('gone');
  });

  it('aborts when the time is up, with a reason that is created only then', () => {
    const reason = vi.fn(() => 'late');
    const { signal } = joinSignals([new AbortController().signal], { ms: 100, reason });
    vi.advanceTimersByTime(99);
    expect([signal.aborted, reason.mock.calls.length]).toEqual([false, 0]);
    vi.advanceTimersByTime(1);
    expect(signal.reason).toBe('late');
  });

  it('has the reason of AbortSignal.timeout by default', () => {
    const { signal } = joinSignals([], { ms: 100 });
    vi.advanceTimersByTime(100);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('aborts with `abort` and keeps the first reason', () => {
    const source = new AbortController();
    const { signal, abort } = joinSignals([source.signal]);
    abort('over');
    source.abort('gone');
    abort('over again');
    expect(signal.reason).toBe('over');
  });

  it.each([
    ['one of them aborts', ({ source }: Ways) => source.abort()],
    ['the time is up', () => vi.advanceTimersByTime(100)],
    ['it is aborted by hand', ({ abort }: Ways) => abort()],
    ['it ends', ({ end }: Ways) => end()],
  ])('releases the signals and the timer when %s', (_when, act) => {
    const [source, other] = [new AbortController(), new AbortController()];
    const joined = joinSignals([source.signal, other.signal], { ms: 100, reason: () => 'late' });
    expect(listenersOf(source.signal, other.signal)).toEqual([1, 1]);
    act({ source, ...joined });
    expect(listenersOf(source.signal, other.signal)).toEqual([0, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not abort after its end', () => {
    const source = new AbortController();
    const { signal, end } = joinSignals([source.signal], { ms: 100, reason: () => 'late' });
    end();
    source.abort();
    vi.advanceTimersByTime(100);
    expect(signal.aborted).toBe(false);
  });
});

interface Ways {
  readonly source: AbortController;
  readonly abort: () => void;
  readonly end: () => void;
}

describe('orAborted', () => {
  it('resolves to the answer when that comes first', async () => {
    const { signal } = new AbortController();
    expect(await orAborted(Promise.resolve(1), signal)).toBe(1);
    await expect(orAborted(Promise.reject(new Error('away')), signal)).rejects.toThrow('away');
    expect(listenersOf(signal)).toEqual([0]);
  });

  it("rejects with the signal's reason when it aborts first or has aborted", async () => {
    const leaving = new AbortController();
    const waiting = orAborted(new Promise(() => undefined), leaving.signal);
    leaving.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    await expect(orAborted(Promise.resolve(1), leaving.signal)).rejects.toThrow('gone');
  });

  it('ignores how the answer ends after that', async () => {
    let fail: (error: Error) => void = () => undefined;
    const answer = new Promise((_resolve, reject) => {
      fail = reject;
    });
    await expect(orAborted(answer, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    fail(new Error('away'));
    await vi.advanceTimersByTimeAsync(0);
  });
});
