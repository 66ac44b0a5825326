import { execFile, spawnSync } from 'node:child_process';
import { expect, inject, it } from 'vitest';

it('a unit test that injects the Redis of the run fails, with the file name that it needs', () => {
  expect(() => inject('redisUrl')).toThrow('name its file *.redis.test.ts');
});

it('a unit test that starts a process fails, with the file name that it needs', () => {
  expect(() => spawnSync(process.execPath, ['--version'])).toThrow('name its file *.system.test.ts');
  expect(() => execFile('redis-server')).toThrow('name its file *.system.test.ts');
});
