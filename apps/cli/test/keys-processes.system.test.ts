import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openApiKeys, parseApiKeys } from '@comfy-fleet/config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-keys-'));
  path = join(dir, 'keys.json');
});

afterEach(() => rm(dir, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built keys command in the test's folder. */
function command(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'keys', ...args], { cwd: dir, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

const idsIn = async () => parseApiKeys(await readFile(path, 'utf8'), path).map(({ id }) => id);

describe('the keys command in processes of its own', () => {
  it('loses no change when many processes create and revoke at once, and readers never see half a file', async () => {
    await command(['create', 'old', '--file', path]);
    const faults: string[] = [];
    const reader = await openApiKeys(path, { onFault: ({ message }) => faults.push(message), everyMs: 1 });
    const names = Array.from({ length: 8 }, (_, n) => `key-${n}`);
    const ended = await Promise.all([
      ...names.map((name) => command(['create', name, '--file', path])),
      command(['revoke', 'old', '--file', path]),
    ]);
    expect(ended.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual(Array(9).fill(0));
    expect((await idsIn()).sort()).toEqual(names);
    expect(await readdir(dir)).toEqual(['keys.json']);
    expect(faults).toEqual([]);
    const shown = ended.slice(0, 8).map(({ stdout }) => stdout.trim());
    await expect.poll(() => shown.map((key) => reader.find(key)?.id)).toEqual(names);
    reader.close();
  });

  it('creates an id once when two processes create it at the same time', async () => {
    const ended = await Promise.all([1, 2].map(() => command(['create', 'acme', '--file', path])));
    expect(ended.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(await idsIn()).toEqual(['acme']);
  });

  it('writes only the key to stdout, for scripts', async () => {
    const { stdout, stderr } = await command(['create', 'acme', '--file', path]);
    expect(stdout).toMatch(/^cf_[A-Za-z0-9_-]{43}\n$/);
    expect(stderr).toContain(`The key acme is in ${path}`);
  });

  it('finds the file through API_KEYS_FILE, also in .env, and ignores all other settings', async () => {
    const API_KEYS_FILE = 'keys.json';
    const { stderr } = await command(['create', 'one'], { API_KEYS_FILE, PORT: 'wrong' });
    expect(stderr).toContain('A running API picks up the change within two seconds.');
    await writeFile(join(dir, '.env'), `API_KEYS_FILE=${API_KEYS_FILE}\n`);
    expect((await command(['create', 'two'])).code).toBe(0);
    expect(await idsIn()).toEqual(['one', 'two']);
  });

  it('fails if no file is named', async () => {
    expect(await command(['list'])).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(
        'Name the keys file with --file <path>, or set API_KEYS_FILE (it may be in .env).',
      ),
    });
  });
});
