import { loadConfig } from '@comfy-fleet/config';
import { describe, expect, it } from 'vitest';
import { retryDelayMs } from '../src/webhooks/deliver.js';

const { retryDelaysMs: delaysMs } = loadConfig({}).webhooks;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('the retry schedule', () => {
  it('is 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, and then there is no other attempt', () => {
    const planned = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((failed) => retryDelayMs(failed, { delaysMs, random: () => 0.5 }));
    const expected = [5000, 30_000, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, undefined, undefined];
    expect(planned).toEqual(expected);
  });

  it('varies by up to a fifth, so that webhooks that failed together do not return together', () => {
    expect(retryDelayMs(1, { delaysMs, random: () => 0 })).toBe(4000);
    expect(retryDelayMs(1, { delaysMs, random: () => 1 })).toBe(6000);
    const drawn = Array.from({ length: 100 }, () => retryDelayMs(2, { delaysMs }) ?? 0);
    expect(new Set(drawn).size).toBeGreaterThan(50);
    for (const ms of drawn) expect(Math.abs(ms - 30_000)).toBeLessThanOrEqual(6000);
  });
});

describe('Retry-After', () => {
  const after = (retryAfter: string, random = 0) => retryDelayMs(1, { delaysMs, retryAfter, random: () => random });

  it('replaces the delay, and is never shortened', () => {
    expect(after('120')).toBe(120_000);
    expect(after('120', 1)).toBe(144_000);
    expect(after('1')).toBe(1000);
  });

  it('may be an HTTP date, also a past one', () => {
    const inTen = after(new Date(Date.now() + 600_000).toUTCString());
    expect(inTen).toBeGreaterThan(598_000);
    expect(inTen).toBeLessThanOrEqual(600_000);
    expect(after('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(1000);
  });

  it('is bounded: at least a second, at most a day', () => {
    expect(after('0')).toBe(1000);
    expect(after('99999999')).toBe(24 * HOUR);
  });

  it.each(['', 'soon', '-5', '1.5', '2026-13-45'])('that says %j is ignored', (text) => {
    expect(after(text, 0.5)).toBe(5000);
  });

  it('does not prolong the schedule', () => {
    expect(retryDelayMs(8, { delaysMs, retryAfter: '10' })).toBeUndefined();
  });
});
