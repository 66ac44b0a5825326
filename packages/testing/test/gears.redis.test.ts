import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { startRedisServer } from '../src/index.js';

it('a test with a Redis may start one of its own, and no other process', async () => {
  await (await startRedisServer()).close();
  expect(() => spawn(process.execPath, ['--version'])).toThrow('name its file *.system.test.ts');
});
