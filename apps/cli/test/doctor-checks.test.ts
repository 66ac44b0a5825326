import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@comfy-fleet/config';
import type { RedisInspection } from '@comfy-fleet/jobs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkMode } from '../src/doctor/checks/keys.js';
import { checkModels } from '../src/doctor/checks/models.js';
import { judgeRedis } from '../src/doctor/checks/redis.js';

const FINE: RedisInspection = {
  version: '7.2.5',
  mode: 'standalone',
  role: 'master',
  evictionPolicy: 'noeviction',
  aof: true,
  aofWritesGoWell: true,
  appendfsync: 'always',
  memoryBytes: 2 ** 20,
  memoryMaxBytes: 2 ** 30,
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
    [
      'memory that is nearly full',
      { memoryMaxBytes: 1.2 * 2 ** 20 },
      0,
      'redis-memory',
      'warn',
      /\(83 %\).*raise maxmemory/,
    ],
    [
      'memory without a limit',
      { memoryMaxBytes: 0 },
      0,
      'redis-memory',
      'warn',
      /without a limit.*config set maxmemory/,
    ],
    [
      'memory that is full',
      { memoryMaxBytes: 2 ** 20 },
      0,
      'redis-memory',
      'fail',
      /no jobs are accepted.*raise maxmemory/,
    ],
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

const modeOf = (path: string) => checkMode(path, 'keys-mode', 'the webhook secrets');

it('warns if every user of the machine can read the keys', async () => {
  const path = await keysIn(0o755);
  expect(await modeOf(path)).toMatchObject([{ level: 'warn', fix: `chmod 640 ${path}` }]);
});

it('accepts mode 644 in a folder that others cannot enter, as docs/deploy.md sets up for Compose', async () => {
  expect(await modeOf(await keysIn(0o700))).toEqual([]);
});

it('accepts any mode for a secret that is mounted into a container', async () => {
  expect(await modeOf('/run/secrets/api_keys')).toEqual([]);
});

describe('the check of models folders', () => {
  /** A models folder with these folders in it. */
  async function folderWith(...names: readonly string[]): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-models-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    for (const name of names) await mkdir(join(dir, name));
    return dir;
  }
  const check = (env: Readonly<Record<string, string>>) => {
    const settings = { COMFYUI_URLS: 'http://a:8188,http://b:8188', ...env };
    return checkModels(loadConfig(settings), settings);
  };

  it('says nothing where no worker fetches models', async () => {
    expect(await check({})).toEqual([]);
  });

  it('accepts a folder that can be written to, once for all instances that share it', async () => {
    const dir = await folderWith('loras', 'vae');
    expect(await check({ COMFYUI_MODELS_DIR: dir })).toEqual([
      { check: 'models', level: 'ok', found: expect.stringMatching(`^${dir} can be written to, .* are free$`) },
    ]);
  });

  it('finds a folder that does not exist, or is not that of ComfyUI', async () => {
    const dir = await folderWith('pictures');
    expect(await check({ COMFYUI_MODELS_DIR: dir })).toMatchObject([
      { level: 'warn', found: expect.stringContaining("none of ComfyUI's") },
    ]);
    expect(await check({ COMFYUI_MODELS_DIR: join(dir, 'nowhere') })).toMatchObject([
      { level: 'warn', found: expect.stringContaining('nowhere does not exist: the worker makes it') },
    ]);
  });

  it('finds a MODELS_MAX_BYTES that the volume does not have', async () => {
    const env = { COMFYUI_MODELS_DIR: await folderWith('loras'), MODELS_MAX_BYTES: `${2 ** 52}` };
    expect((await check(env)).at(-1)).toMatchObject({
      level: 'fail',
      found: expect.stringMatching(/^MODELS_MAX_BYTES is 4096 TiB, and the volume of .* has /),
    });
  });

  it('finds credentials that all users can read, and a faulty file', async () => {
    const dir = await folderWith();
    await chmod(dir, 0o755);
    const path = join(dir, 'credentials.yaml');
    const env = { MODEL_CREDENTIALS_FILE: path };
    await writeFile(path, 'credentials: [{ url: "https://huggingface.co/", header: { Authorization: "Bearer x" } }]');
    await chmod(path, 0o600);
    expect(await check(env)).toMatchObject([{ check: 'model-credentials', level: 'ok' }]);
    await chmod(path, 0o644);
    expect(await check(env)).toMatchObject([{ level: 'ok' }, { level: 'warn', fix: `chmod 640 ${path}` }]);
    await writeFile(path, 'credentials: [{ url: "ftp://x/" }]');
    expect(await check(env)).toMatchObject([{ check: 'model-credentials', level: 'fail' }]);
  });
});
