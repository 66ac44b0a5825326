import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Deadline, startDeadline } from '../src/deadline.js';
import { never } from './support/client.js';

const MS = 10_000;
const KIB = 1024;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Transfers pieces of this many bytes, one a second, until time is up; answers after how many seconds that was. */
function transfer(deadline: Deadline, bytesPerSecond: number, mostSeconds: number): number {
  let seconds = 0;
  while (seconds < mostSeconds && !deadline.signal.aborted) {
    vi.advanceTimersByTime(1000);
    seconds += 1;
    deadline.restart(bytesPerSecond);
  }
  return seconds;
}

it('ends a transfer of one byte per second as too slow, after twice its time', () => {
  const deadline = startDeadline(never(), MS);
  expect([transfer(deadline, 1, 3600), deadline.expired()]).toEqual([20, 'slow']);
});

it('lets a transfer of 128 KiB per second continue for hours', () => {
  const deadline = startDeadline(never(), MS);
  expect([transfer(deadline, 128 * KIB, 7200), deadline.expired()]).toEqual([7200, undefined]);
});

it('ends a transfer as silent when no piece follows in time, however much arrived before', () => {
  const deadline = startDeadline(never(), MS);
  transfer(deadline, 1024 * KIB, 60);
  vi.advanceTimersByTime(MS);
  expect(deadline.expired()).toBe('silent');
});

it('does not count the time while the clock is stopped', () => {
  const deadline = startDeadline(never(), MS);
  for (let pieces = 0; pieces < 10; pieces += 1) {
    deadline.pause();
    vi.advanceTimersByTime(100 * MS);
    deadline.restart(1);
  }
  expect(deadline.expired()).toBeUndefined();
});
