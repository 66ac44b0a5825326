import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { startRedisServer } from '../src/index.js';

it('a Redis test may start its own Redis, and no other process', async () => {
  await (await startRedisServer()).close();
  expect(() => spawn(process.execPath, ['--version'])).toThrow('name its file *.system.test.ts');
});
