import { expect, it } from 'vitest';
import { Paces } from '../src/slots/paces.js';

function learned(signature: string, times: readonly number[], paces = new Paces()): Paces {
  for (const ms of times) paces.learn(signature, ms);
  return paces;
}

it('returns moving averages, in which the newest execution counts for three tenths', () => {
  expect(learned('a', [1000, 1000, 1000, 1000, 2000]).telling).toEqual({ a: 1300 });
});

it('leaves out kinds of jobs with fewer than five executions', () => {
  const paces = learned('a', [1000, 1000, 1000, 1000, 1000]);
  expect(learned('b', [1, 1, 1, 1], paces).telling).toEqual({ a: 1000 });
});
