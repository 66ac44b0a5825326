import { expect, it } from 'vitest';
import { matchesAny } from '../src/name-patterns.js';

it.each([
  ['flux-dev', ['flux*'], true],
  ['Flux', ['flux*'], true],
  ['my-flux', ['flux*'], false],
  ['my-flux', ['*flux'], true],
  ['a.b', ['a.b'], true],
  ['axb', ['a.b'], false],
  ['a', [], false],
  ['sdxl', ['flux*', 'sd?l', 'sdxl'], true],
] as const)('%s against %j: %s', (name, patterns, expected) => {
  expect(matchesAny(name, patterns)).toBe(expected);
});

it.each([
  ['aXbXc', 'a*b*c', true],
  ['abc', 'a*b*c', true],
  ['acb', 'a*b*c', false],
  ['aba', 'ab*ba', false],
  ['abba', 'ab*ba', true],
  ['', '*', true],
] as const)('%s against %s: %s', (name, pattern, expected) => {
  expect(matchesAny(name, [pattern])).toBe(expected);
});

it('gives the right answers for more and longer names than it caches', () => {
  const patterns = ['even-*0', 'even-*2'];
  const names = Array.from({ length: 2500 }, (_, n) => `even-${'x'.repeat(n % 200)}${n}`);
  const answers = () => names.map((name) => matchesAny(name, patterns));
  expect(answers()).toEqual(names.map((name) => /[02]$/.test(name)));
  expect(answers()).toEqual(names.map((name) => /[02]$/.test(name)));
});
