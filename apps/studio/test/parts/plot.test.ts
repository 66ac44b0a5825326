import { expect, it } from 'vitest';
import { stacked } from '../../src/charts/plot.js';

it('stacks each column on those before it, and leaves out what is not known', () => {
  const values = [
    [1, 2, undefined],
    [3, undefined, undefined],
    [5, 6, undefined],
  ];
  const series = values.map((own, index) => ({ name: `${index}`, paint: index, values: own }));
  expect(stacked(series).map((one) => one.values)).toEqual([
    [1, 2, undefined],
    [4, undefined, undefined],
    [9, 8, undefined],
  ]);
});
