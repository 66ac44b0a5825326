import { totalmem } from 'node:os';
import { expect, it } from 'vitest';
import { defaultMaxmemory } from '../redis-server.mjs';

it('gives Redis a quarter of the memory of the machine, or of the container if that has less', () => {
  expect(defaultMaxmemory(0)).toBe(`${Math.floor(totalmem() / 4)}`);
  expect(defaultMaxmemory(400_000_000)).toBe('100000000');
});
