import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { joined } from '../src/joined.js';

describe('joined questions', () => {
  it('are each asked once, in their order, those that are enough at once and the rest at the end of the turn', async () => {
    const asked: (readonly number[])[] = [];
    const ask = joined<number, number>(
      async (questions) => {
        asked.push(questions);
        return questions.map((question) => question * 10);
      },
      { enough: 3 },
    );

    const answers = [1, 2, 3, 4, 5, 6, 7].map((question) => ask(question));
    expect(asked).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    await expect(Promise.all(answers)).resolves.toEqual([10, 20, 30, 40, 50, 60, 70]);
    await turn();
    await turn();
    expect(asked).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  });
});
