import { execFile, spawnSync } from 'node:child_process';
import { expect, inject, it } from 'vitest';

it('a unit test that asks for the Redis of the run fails, with the name that its file needs', () => {
  expect(() => inject('redisUrl')).toThrow('name its file *.redis.test.ts');
});

it('a unit test that starts a process fails, with the name that its file needs', () => {
  expect(() => spawnSync(process.execPath, ['--version'])).toThrow('name its file *.system.test.ts');
  expect(() => execFile('redis-server')).toThrow('name its file *.system.test.ts');
});
