import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisInspection } from '@comfy-fleet/jobs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkMode } from '../src/doctor/checks/keys.js';
import { judgeRedis } from '../src/doctor/checks/redis.js';

const FINE: RedisInspection = {
  version: '7.2.5',
  mode: 'standalone',
  role: 'master',
  evictionPolicy: 'noeviction',
  aof: true,
  aofWritesGoWell: true,
  appendfsync: 'always',
  usedBytes: 2 ** 20,
  maxBytes: 2 ** 30,
  replicas: 0,
  roundTripsMs: Array.from({ length: 100 }, (_, index) => (index + 1) / 100),
  clockOffsetMs: 0,
};
const judge = (changes: Partial<RedisInspection> = {}, replicasNeeded = 0) =>
  judgeRedis({ ...FINE, ...changes }, { replicasNeeded });
const badOf = (...given: Parameters<typeof judge>) =>
  judge(...given)
    .filter(({ level }) => level !== 'ok')
    .map(({ check, level, found, fix }) => ({ check, level, said: `${found}; ${fix}` }));

describe('judgeRedis', () => {
  it('finds nothing wrong with a healthy Redis', () => {
    expect(badOf()).toEqual([]);
    expect(judge().find(({ check }) => check === 'redis-latency')?.found).toBe('100 pings: p50 0.50 ms, p99 0.99 ms');
  });

  it.each<[string, Partial<RedisInspection>, number, string, 'warn' | 'fail', RegExp]>([
    ['an old version', { version: '6.0.16' }, 0, 'redis-version', 'fail', /6\.0\.16 is too old.*6\.2.*upgrade Redis/],
    ['a replica', { role: 'slave' }, 0, 'redis-replicas', 'fail', /accepts no writes.*REDIS_SENTINELS/],
    ['too few replicas', { replicas: 1 }, 2, 'redis-replicas', 'fail', /1 connected.*waits for 2.*start the missing/],
    ['too many replicas', { replicas: 2 }, 1, 'redis-replicas', 'warn', /may promote a replica without.*REPLICAS to 2/],
    ['a full disk', { aofWritesGoWell: false }, 0, 'redis-aof', 'fail', /last write .* failed.*its disk is full/],
    ['an unknown appendfsync', { appendfsync: undefined }, 0, 'redis-aof', 'warn', /CONFIG is disabled.*provider/],
    ['a slow Redis', { roundTripsMs: Array(100).fill(30) }, 0, 'redis-latency', 'warn', /p99 30\.00 ms.*closer/],
    ['memory that is nearly full', { maxBytes: 1.2 * 2 ** 20 }, 0, 'redis-memory', 'warn', /\(83 %\).*raise maxmemory/],
    ['memory without a limit', { maxBytes: 0 }, 0, 'redis-memory', 'warn', /without a limit.*config set maxmemory/],
    ['memory that is full', { maxBytes: 2 ** 20 }, 0, 'redis-memory', 'fail', /no jobs are accepted.*raise maxmemory/],
  ])('reports %s and how to fix it', (_name, changes, needed, check, level, said) => {
    expect(badOf(changes, needed)).toEqual([{ check, level, said: expect.stringMatching(said) }]);
  });

  it.each(['6.2.0', '7.0.0', '8.0.2', '10.0.0'])('accepts version %s', (version) => {
    expect(badOf({ version })).toEqual([]);
  });
});

/** Creates a keys file of mode 644 in a folder of the given mode. */
async function keysIn(mode: number): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), 'comfy-fleet-keys-mode-'));
  onTestFinished(() => rm(base, { recursive: true }));
  await chmod(base, 0o755);
  const folder = join(base, 'secrets');
  await mkdir(folder);
  await chmod(folder, mode);
  const path = join(folder, 'keys.json');
  await writeFile(path, '{}');
  await chmod(path, 0o644);
  return path;
}

it('warns if every user of the machine can read the keys', async () => {
  const path = await keysIn(0o755);
  expect(await checkMode(path)).toMatchObject([{ level: 'warn', fix: `chmod 640 ${path}` }]);
});

it('accepts mode 644 in a folder that others cannot enter, as docs/deploy.md sets up for Compose', async () => {
  expect(await checkMode(await keysIn(0o700))).toEqual([]);
});

it('accepts any mode for a secret that is mounted into a container', async () => {
  expect(await checkMode('/run/secrets/api_keys')).toEqual([]);
});
