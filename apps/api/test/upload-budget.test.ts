import { describe, expect, it } from 'vitest';
import { createUploadBudget } from '../src/server/upload-budget.js';

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('the upload budget', () => {
  it('refuses a body that would exceed it with overloaded, and accepts it when another one has ended', () => {
    const budget = createUploadBudget({ mostBytes: 100, mostBytesOfKey: 1000 });
    const first = budget.begin(undefined, 60);
    expect(() => budget.begin(undefined, 50)).toThrow(code('overloaded'));
    first.end();
    first.end();
    budget.begin(undefined, 50);
    expect(() => budget.begin(undefined, 51)).toThrow(code('overloaded'));
  });

  it('counts the arriving bytes of bodies that did not declare their size', () => {
    const budget = createUploadBudget({ mostBytes: 100, mostBytesOfKey: 1000 });
    const uploads = Array.from({ length: 20 }, () => budget.begin(undefined, 0));
    for (const upload of uploads.slice(0, 10)) upload.arrived(10);
    expect(() => uploads[10]?.arrived(1)).toThrow(code('overloaded'));
    uploads[0]?.end();
    uploads[10]?.arrived(9);
  });

  it('reserves the declared size of a body, and no more when the body arrives', () => {
    const budget = createUploadBudget({ mostBytes: 100, mostBytesOfKey: 1000 });
    const upload = budget.begin(undefined, 60);
    budget.begin(undefined, 40);
    upload.arrived(60);
    expect(() => upload.arrived(1)).toThrow(code('overloaded'));
  });

  it('accepts a single body that is larger than the whole budget', () => {
    const budget = createUploadBudget({ mostBytes: 100, mostBytesOfKey: 50 });
    budget.begin('a', 300).end();
    const upload = budget.begin('a', 0);
    for (let n = 0; n < 30; n++) upload.arrived(10);
  });

  it('refuses what exceeds the share of a key with rate_limited, and accepts bodies of other keys', () => {
    const budget = createUploadBudget({ mostBytes: 100, mostBytesOfKey: 50 });
    const own = [budget.begin('a', 25), budget.begin('a', 25)];
    expect(() => budget.begin('a', 1)).toThrow(code('rate_limited'));
    budget.begin('b', 40);
    own[0]?.end();
    budget.begin('a', 25);
  });

  it('does not count bytes of a body that has ended', () => {
    const budget = createUploadBudget({ mostBytes: 100, mostBytesOfKey: 1000 });
    const upload = budget.begin('a', 10);
    upload.end();
    upload.arrived(1000);
    budget.begin('a', 100);
  });
});
