import { newId } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import type { Holding } from '../src/housekeeping/inventory.js';
import { createShares, surplusOf } from '../src/housekeeping/shares.js';

type Named = Holding & { readonly name: string };

/** A file of `bytes`. A higher `at` means a younger file. */
function file(name: string, at: number, bytes: number, ...keys: string[]): Named {
  return { kind: 'input', name: `${name} ${newId()}`, keys, isUnowned: false, bytes, modifiedAt: at, sentAt: at };
}

const setUp = (holdings: readonly Named[], most: number, { recent = 1000 } = {}) =>
  createShares({
    holdings,
    bytes: holdings.reduce((sum, { bytes }) => sum + bytes, 0),
    most,
    isEvictable: ({ modifiedAt }) => modifiedAt < recent,
  });

/** The names of the deleted files, in order. Files that `keeps` selects cannot be deleted. */
function deleted(shares: ReturnType<typeof setUp>, keeps: (name: string) => boolean = () => false): string[] {
  const names: string[] = [];
  for (let next = shares.next(); next !== undefined; next = shares.next()) {
    const name = (next as Named).name.split(' ')[0] ?? '';
    if (keeps(name)) shares.tried('kept');
    else {
      names.push(name);
      shares.tried('deleted');
    }
  }
  return names;
}

describe('to free space, the dispatcher deletes', () => {
  it('nothing while all fits, however unevenly it is shared', () => {
    expect(deleted(setUp([file('a1', 1, 99, 'a'), file('b1', 2, 1, 'b')], 100))).toEqual([]);
  });

  it('the oldest file if there is one key, which may use everything', () => {
    expect(deleted(setUp([file('a3', 3, 50, 'a'), file('a1', 1, 50, 'a'), file('a2', 2, 50, 'a')], 100))).toEqual([
      'a1',
    ]);
  });

  it('files of a key that exceeds its share, even if those of another are older', () => {
    const own = Array.from({ length: 12 }, (_, n) => file(`a${n}`, 10 + n, 10, 'a'));
    expect(deleted(setUp([file('b', 1, 50, 'b'), ...own], 100))).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6']);
  });

  it('files of the key that exceeds its share most, until others exceed theirs as much', () => {
    const files = [
      ...[1, 2, 3].map((at) => file(`a${at}`, at, 20, 'a')),
      ...[4, 5, 6, 7].map((at) => file(`b${at}`, at, 20, 'b')),
      file('c', 8, 10, 'c'),
    ];
    expect(deleted(setUp(files, 110))).toEqual(['b4', 'b5']);
  });

  it('files without a key first, the oldest of them', () => {
    const files = [file('a', 1, 60, 'a'), file('y', 3, 30), file('x', 2, 30)];
    expect(deleted(setUp(files, 90))).toEqual(['x']);
  });

  it('a file of two keys only if both exceed their shares', () => {
    const files = [file('ab', 1, 30, 'a', 'b'), file('a2', 2, 60, 'a'), file('b2', 3, 10, 'b')];
    expect(deleted(setUp(files, 90))).toEqual(['a2']);
    expect(deleted(setUp([...files, file('b3', 4, 60, 'b')], 130))).toEqual(['ab']);
  });

  it('a younger file if the oldest cannot be deleted, but no recent one', () => {
    const files = [file('a1', 1, 50, 'a'), file('a2', 2, 50, 'a'), file('a3', 2000, 50, 'a')];
    expect(deleted(setUp(files, 10), (name) => name === 'a1')).toEqual(['a2']);
  });

  it('nothing of a key within its share, even if all files of the others are recent', () => {
    expect(deleted(setUp([file('a', 2000, 200, 'a'), file('b', 1, 50, 'b')], 100))).toEqual([]);
  });
});

it('reports the bytes of each key, and how many could still be deleted', () => {
  const files = [
    file('a1', 1, 40, 'a'),
    file('a2', 2, 40, 'a'),
    file('a3', 3, 40, 'a'),
    file('a4', 2000, 40, 'a'),
    file('b', 4, 10, 'b'),
    file('c', 5, 5),
  ];
  const shares = setUp(files, 130);
  deleted(shares, (name) => name === 'a1');
  expect(shares.stock()).toEqual({
    bytes: 130,
    most: 130,
    keys: new Map([
      ['a', expect.objectContaining({ bytes: 120, evictable: 40, files: 3 })],
      ['b', expect.objectContaining({ bytes: 10, evictable: 10, files: 1 })],
    ]),
  });
});

it('finds the oldest files of keys that sent too many, but no recent one, and none of another key', () => {
  const holdings = [
    file('a1', 1, 10, 'a'),
    file('b', 2, 10, 'b'),
    file('ab', 3, 10, 'a', 'b'),
    file('x', 4, 10),
    file('a2', 5, 10, 'a'),
    file('a3', 2000, 10, 'a'),
    file('a4', 6, 10, 'a'),
  ];
  const surplus = (most: number) =>
    [...surplusOf({ holdings, most, isEvictable: ({ modifiedAt }) => modifiedAt < 1000 })].map(
      (one) => (one as Named).name.split(' ')[0],
    );
  expect(surplus(5)).toEqual([]);
  expect(surplus(3)).toEqual(['a1', 'a2']);
  expect(surplus(0)).toEqual(['a1', 'b', 'ab', 'a2', 'a4']);
});
