import { describe, expect, it } from 'vitest';
import { createHeaderList } from '../src/http/send.js';

const pairs = (list: readonly string[]) =>
  Array.from({ length: list.length / 2 }, (_, n) => [list[2 * n]?.toLowerCase(), list[2 * n + 1]]);

describe('the headers of an answer', () => {
  it('are those that every answer has, when it brings none of its own', () => {
    const headers = Object.fromEntries(pairs(createHeaderList()()));
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(headers['content-security-policy']).toContain("default-src 'self'");
  });

  it('are its own where both have one, in whichever case it writes the name, and each is there once', () => {
    const own = { 'Cache-Control': 'immutable', 'Content-Security-Policy': 'sandbox', ETag: '"x"' };
    const all = pairs(createHeaderList()(undefined, own));
    const names = all.map(([name]) => name);
    expect(Object.fromEntries(all)).toMatchObject({
      'cache-control': 'immutable',
      'content-security-policy': 'sandbox',
      etag: '"x"',
    });
    expect(new Set(names).size).toBe(names.length);
  });

  it('of one answer do not come with the next one', () => {
    const headersOf = createHeaderList();
    headersOf({ 'Cache-Control': 'immutable', ETag: '"x"' });
    expect(headersOf()).toEqual(createHeaderList()());
  });
});
