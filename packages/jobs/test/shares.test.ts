import { describe, expect, it } from 'vitest';
import { type GpuTime, type KeyBacklog, type KeyShare, sharesOf, topShares } from '../src/scheduling/shares.js';

const NOW = 100_000_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

/** GPU time that ended so long ago. */
const used = (key: string, ms: number, { pool = 'default', ago = 0, over = ms } = {}): GpuTime => ({
  pool,
  key,
  ms,
  from: NOW - ago - over,
  till: NOW - ago,
});
const backlog = (key: string, ageMs: number, more: Partial<KeyBacklog> = {}): KeyBacklog => ({
  pool: 'default',
  key,
  jobs: 1,
  heldBack: false,
  since: NOW - ageMs,
  ...more,
});

function shares(gpuTimes: GpuTime[], backlogs: KeyBacklog[] = [], weights: Record<string, number> = {}) {
  const all = sharesOf({
    now: NOW,
    times: gpuTimes,
    backlogs,
    weights: new Map(Object.entries(weights)),
  });
  return new Map(all.map((share) => [share.key, share]));
}

describe('the share of a key', () => {
  it('is its part of the GPU time of the last minute and of the last hour', () => {
    const found = shares([used('a', 30_000), used('b', 10_000), used('b', 20_000, { ago: 10 * MINUTE })]);
    expect(found.get('a')).toMatchObject({ gpuMsMinute: 30_000, shareMinute: 0.75, gpuMsHour: 30_000, shareHour: 0.5 });
    expect(found.get('b')).toMatchObject({ gpuMsMinute: 10_000, shareMinute: 0.25, gpuMsHour: 30_000, shareHour: 0.5 });
  });

  it('counts only the part within the hour of time that began before', () => {
    const found = shares([used('a', 4 * HOUR), used('b', 30_000, { ago: HOUR - MINUTE / 2, over: MINUTE })]);
    expect(found.get('a')).toMatchObject({ gpuMsMinute: MINUTE, gpuMsHour: HOUR });
    expect(found.get('b')).toMatchObject({ gpuMsMinute: 0, gpuMsHour: 15_000 });
  });

  it('is omitted for a key without jobs in the hour', () => {
    expect(shares([used('a', 1000, { ago: HOUR })]).size).toBe(0);
  });

  it('is 0 for a key that only waits', () => {
    expect(shares([], [backlog('a', 5000)]).get('a')).toMatchObject({ shareMinute: 0, shareHour: 0, fairShare: 1 });
  });
});

describe('the fair share', () => {
  it('is by weight among all keys with jobs, including those that got no GPU time', () => {
    const found = shares([used('a', 1000), used('b', 9000)], [backlog('c', 5000)], { b: 2 });
    expect([...found.values()].map(({ key, fairShare }) => [key, fairShare])).toEqual([
      ['a', 0.25],
      ['b', 0.5],
      ['c', 0.25],
    ]);
  });

  it('is a share of the pools in which the key had jobs: alone in a small pool, it has all that it can get', () => {
    const small = used('a', 1000, { pool: 'video' });
    const found = shares([small, used('b', 6000), used('c', 3000)]);
    expect(found.get('a')).toMatchObject({ shareHour: 0.1, fairShare: 0.1 });
    expect(found.get('b')).toMatchObject({ shareHour: 0.6, fairShare: 0.45 });
  });
});

describe('waiting jobs', () => {
  it('are counted over all pools, with the age of the oldest, also without those held back for the limit of the key', () => {
    const found = shares(
      [],
      [backlog('a', 5000, { jobs: 3 }), backlog('a', 90_000, { pool: 'video', jobs: 2, heldBack: true })],
    );
    expect(found.get('a')).toMatchObject({ waiting: 5, oldestWaitMs: 90_000, oldestTurnMs: 5000 });
  });
});

describe('the top shares', () => {
  const share = (key: string, gpuMsHour: number, oldestWaitMs: number) =>
    ({ key, gpuMsHour, oldestWaitMs }) as KeyShare;
  const keys = [share('a', 0, 10), share('b', 90, 0), share('c', 80, 0), share('d', 70, 0), share('e', 0, 20)];

  it('are half those with the most GPU time and half those that wait longest, sorted by GPU time', () => {
    expect(topShares(keys, 4).map(({ key }) => key)).toEqual(['b', 'c', 'e', 'a']);
    expect(topShares(keys, 3).map(({ key }) => key)).toEqual(['b', 'c', 'e']);
  });

  it('are all shares if there are few', () => {
    expect(topShares(keys, 9).map(({ key }) => key)).toEqual(['b', 'c', 'd', 'e', 'a']);
  });
});
