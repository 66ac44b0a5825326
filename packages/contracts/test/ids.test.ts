import { describe, expect, it } from 'vitest';
import { isId, newId } from '../src/index.js';

describe('newId', () => {
  it('returns version 7 UUIDs in canonical form, which sort by creation time', () => {
    const ids = Array.from({ length: 200 }, () => newId());
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(200);
  });
});

describe('isId', () => {
  it('accepts ids of newId', () => {
    expect(isId(newId())).toBe(true);
  });

  it.each([
    ['upper case', '01A21244-7DD0-761C-8B5E-8C1A619A8AC6'],
    ['no hyphens', '01a212447dd0761c8b5e8c1a619a8ac6'],
    ['braces', '{01a21244-7dd0-761c-8b5e-8c1a619a8ac6}'],
    ['a line break at the end', '01a21244-7dd0-761c-8b5e-8c1a619a8ac6\n'],
    ['a path', '../01a21244-7dd0-761c-8b5e-8c1a619a8ac6'],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(isId(text)).toBe(false);
  });
});
