import { describe, expect, it } from 'vitest';
import { waitOfPrefer } from '../src/orders/order-job.js';

describe('Prefer: wait=', () => {
  it.each([
    ['wait=5', 5],
    ['respond-async, wait=1', 1],
    ['wait="7"; foo', 7],
    ['wait=61', 60],
    ['wait=99999999', 60],
    [`wait=${'9'.repeat(1000)}`, 60],
    ['wait=0', undefined],
    ['wait=-1', undefined],
    ['wait=x', undefined],
    ['await=5', undefined],
    [undefined, undefined],
  ])('of %s is %s seconds', (header, seconds) => expect(waitOfPrefer(header, 60)).toBe(seconds));
});
