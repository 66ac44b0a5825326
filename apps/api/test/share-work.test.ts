import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { shareWork } from '../src/server/turns.js';

const gone = new Error('gone');

/** Work that the test ends, with a count of its starts. */
function work() {
  const runs: { signal: AbortSignal; resolve: (value: string) => void; reject: (error: Error) => void }[] = [];
  const run = (signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      runs.push({ signal, resolve, reject });
    });
  return { runs, run };
}

describe('shared work', () => {
  it('is done once for one key, and separately for another', async () => {
    const { runs, run } = work();
    const shared = shareWork<string>();
    const { signal } = new AbortController();
    const joined = [shared('a', signal, run), shared('a', signal, run), shared('b', signal, run)];
    expect(runs).toHaveLength(2);
    runs[0]?.resolve('done');
    runs[1]?.resolve('other');
    expect(await Promise.all(joined)).toEqual(['done', 'done', 'other']);
  });

  it('starts again after it ended or failed', async () => {
    const { runs, run } = work();
    const shared = shareWork<string>();
    const { signal } = new AbortController();
    const first = shared('a', signal, run);
    runs[0]?.reject(gone);
    await expect(first).rejects.toBe(gone);
    const second = shared('a', signal, run);
    runs[1]?.resolve('second');
    expect(await second).toBe('second');
    const third = shared('a', signal, run);
    runs[2]?.resolve('third');
    expect(await third).toBe('third');
  });

  it('continues while a caller waits, is aborted when the last one leaves, and starts again for the next', async () => {
    const { runs, run } = work();
    const shared = shareWork<string>();
    const [first, second] = [new AbortController(), new AbortController()];
    const joined = [first, second].map(({ signal }) => shared('a', signal, run));
    first.abort(gone);
    await expect(joined[0]).rejects.toBe(gone);
    expect(runs[0]?.signal.aborted).toBe(false);
    second.abort(gone);
    await expect(joined[1]).rejects.toBe(gone);
    expect(runs[0]?.signal.aborted).toBe(true);
    const next = shared('a', new AbortController().signal, run);
    runs[1]?.resolve('next');
    expect(await next).toBe('next');
  });

  it('leaves no listeners on the signals of callers that waited', async () => {
    const { runs, run } = work();
    const { signal } = new AbortController();
    const joined = shareWork<string>()('a', signal, run);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    runs[0]?.resolve('done');
    await joined;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('is not started for a caller that has already left', async () => {
    const { runs, run } = work();
    await expect(shareWork<string>()('a', AbortSignal.abort(gone), run)).rejects.toBe(gone);
    expect(runs).toHaveLength(0);
  });
});
