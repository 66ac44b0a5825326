import { describe, expect, it } from 'vitest';
import { maskedPixels } from '../../src/form/masked-picture.js';
import { bytes, gpuTime } from '../../src/parts/format.js';
import { keyRows, rightsOf, sortRows } from '../../src/usage/key-rows.js';

type Lists = Parameters<typeof keyRows>;

describe('the rows of all keys', () => {
  const keys = [
    { key: 'anna', weight: 2 },
    { key: 'bert', weight: 1 },
  ] as unknown as Lists[0];
  const used = [
    { key: 'bert', jobs: 3, gpu_seconds: 9 },
    { key: 'gone', jobs: 3, gpu_seconds: 4 },
  ] as unknown as Lists[1];
  const rows = keyRows(keys, used, [{ key: 'bert', share_hour: 0.5 }] as unknown as Lists[2]);
  const sorted = (by: Parameters<typeof sortRows>[1]['by'], isDown: boolean) =>
    sortRows(rows, { by, isDown }).map(({ key }) => key);

  it('include the keys in the file, and those that made jobs before', () => {
    expect(rows.map(({ key, about, used: own }) => [key, about !== undefined, own !== undefined])).toEqual([
      ['anna', true, false],
      ['bert', true, true],
      ['gone', false, true],
    ]);
  });

  it("show a key's rights, that it was revoked, or that it stands for callers without a key", () => {
    const anna = { key: 'anna', rights: ['jobs', 'admin'] };
    const all = [{ key: 'gone' }, { key: 'anonymous' }];
    const named = keyRows([anna] as unknown as Lists[0], all as unknown as Lists[1], []);
    expect(named.map((row) => [row.key, rightsOf(row)])).toEqual([
      ['anna', 'jobs, admin'],
      ['gone', 'revoked'],
      ['anonymous', 'without a key'],
    ]);
  });

  it('can be sorted by any column, equal ones by name', () => {
    expect(sorted('gpu', true)).toEqual(['bert', 'gone', 'anna']);
    expect(sorted('jobs', true)).toEqual(['bert', 'gone', 'anna']);
    expect(sorted('weight', false)).toEqual(['gone', 'bert', 'anna']);
    expect(sorted('key', true)).toEqual(['gone', 'bert', 'anna']);
  });
});

it('formats amounts', () => {
  expect([gpuTime(9.04), gpuTime(150), gpuTime(7300)]).toEqual(['9 s', '2.5 min', '2 h']);
  expect([bytes(0), bytes(999), bytes(10_737_418_240)]).toEqual(['0 B', '999 B', '10.7 GB']);
});

describe('a painted mask', () => {
  const picture = Uint8ClampedArray.from([10, 20, 30, 255, 40, 50, 60, 255]);
  const mask = Uint8ClampedArray.from([0, 0, 0, 255, 0, 0, 0, 0]);

  it('is white and transparent where it covers, black elsewhere', () => {
    const pixels = maskedPixels({ width: 2, height: 1, picture, mask }, 'white');
    expect([...pixels]).toEqual([255, 255, 255, 0, 0, 0, 0, 255]);
  });

  it('makes the picture transparent where it covers, and keeps its colours', () => {
    const pixels = maskedPixels({ width: 2, height: 1, picture, mask }, 'alpha');
    expect([...pixels]).toEqual([10, 20, 30, 0, 40, 50, 60, 255]);
  });
});
