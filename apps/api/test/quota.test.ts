import { FleetError } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { createQuota } from '../src/server/quota.js';

const code = (expected: string) => expect.objectContaining({ code: expected });

/** A quota whose shares end when the test says so. */
function quotaOf(most: number, mostOfKey: number) {
  const refusal = (isOfKey: boolean) => new FleetError(isOfKey ? 'rate_limited' : 'overloaded', 'Too much.');
  const take = createQuota({ most, mostOfKey, refusal });
  return (key: string | undefined, amount: number) => {
    const request = new AbortController();
    return { use: take(key, amount, request.signal), end: () => request.abort() };
  };
}

describe('a quota', () => {
  it('refuses what would exceed it, and grants it when another request has ended', () => {
    const take = quotaOf(100, 1000);
    const first = take(undefined, 60);
    expect(() => take(undefined, 50)).toThrow(code('overloaded'));
    first.end();
    first.end();
    take(undefined, 50);
    expect(() => take(undefined, 51)).toThrow(code('overloaded'));
  });

  it('counts what requests use beyond what they took', () => {
    const take = quotaOf(100, 1000);
    const all = Array.from({ length: 20 }, () => take(undefined, 0));
    for (const { use } of all.slice(0, 10)) use(10);
    expect(() => all[10]?.use(1)).toThrow(code('overloaded'));
    all[0]?.end();
    all[10]?.use(9);
  });

  it('counts what a request took, and no more when it uses that', () => {
    const take = quotaOf(100, 1000);
    const { use } = take(undefined, 60);
    take(undefined, 40);
    use(60);
    expect(() => use(1)).toThrow(code('overloaded'));
  });

  it('grants a single request more than the whole', () => {
    const take = quotaOf(100, 50);
    take('a', 300).end();
    const { use } = take('a', 0);
    for (let n = 0; n < 30; n++) use(10);
  });

  it('refuses what exceeds the limit of a key, and grants it to other keys', () => {
    const take = quotaOf(100, 50);
    const own = [take('a', 25), take('a', 25)];
    expect(() => take('a', 1)).toThrow(code('rate_limited'));
    take('b', 40);
    own[0]?.end();
    take('a', 25);
  });

  it('does not count what a request uses that has ended', () => {
    const take = quotaOf(100, 1000);
    const { use, end } = take('a', 10);
    end();
    use(1000);
    take('a', 100);
  });

  it('grants nothing to a request that has ended', () => {
    const take = createQuota({ most: 1, mostOfKey: 1, refusal: () => expect.fail('nothing is taken') });
    expect(() => take('a', 1, AbortSignal.abort('gone'))).toThrow('gone');
    take('a', 1, new AbortController().signal);
  });
});
