import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkApiKeys, hashApiKey, openApiKeys } from '@comfy-fleet/config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from '../src/keys/keys-file.js';
import { runCommand } from '../src/run-command.js';

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-keys-'));
  path = join(dir, 'keys.json');
});

afterEach(() => rm(dir, { recursive: true, force: true }));

/** Runs a keys command on this test's file. */
async function keys(...args: readonly string[]): Promise<{ code: number; results: string[]; said: string }> {
  const results: string[] = [];
  const said: string[] = [];
  const code = await runCommand(['keys', ...args, '--file', path], {
    env: {},
    log: process.stderr,
    result: (text) => results.push(text),
    info: (text) => said.push(text),
    interrupted: () => new AbortController().signal,
  });
  return { code, results, said: said.join('\n') };
}

const stored = async () => checkApiKeys(JSON.parse(await readFile(path, 'utf8'))).keys;

describe('keys create', () => {
  it('creates a file that only its owner can read, with an entry that authenticates the key', async () => {
    const { code, results, said } = await keys('create', 'acme');
    expect(code).toBe(0);
    expect(results).toEqual([expect.stringMatching(/^cf_[A-Za-z0-9_-]{43}$/)]);
    const [key = ''] = results;
    expect(said).toContain('Authorization: Bearer <the key>');
    expect(said).not.toContain(key);
    expect(said).toContain(`API_KEYS_FILE=${path}`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const opened = await openApiKeys(path, { onFault: (error) => expect.unreachable(error.message) });
    expect(opened.find(key)).toMatchObject({ id: 'acme', scopes: ['jobs'] });
    opened.close();
  });

  it('stores the digest of the key, not the key', async () => {
    const { results } = await keys('create', 'acme');
    expect(await readFile(path, 'utf8')).not.toContain(results[0]?.slice(3));
    expect((await stored())[0]).toMatchObject({
      sha256: hashApiKey(results[0] ?? ''),
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
  });

  it('accepts every setting of a key', async () => {
    const limits = '--requests-per-minute 600 --jobs-waiting=50 --jobs-running 2 --upload-bytes-per-day 0'.split(' ');
    const rest = '--scopes jobs,admin --weight 0.5 --max-priority -1 --webhook-url https://a.example/hook'.split(' ');
    const events = ['--webhook-events', 'job.succeeded, job.failed', '--webhook-secret', 'new'];
    const { code, results } = await keys('create', 'acme', ...limits, ...rest, ...events);
    expect(code).toBe(0);
    expect(await stored()).toEqual([
      {
        id: 'acme',
        sha256: hashApiKey(results[0] ?? ''),
        scopes: ['jobs', 'admin'],
        created_at: expect.any(String),
        limits: { requests_per_minute: 600, jobs_waiting: 50, jobs_running: 2, upload_bytes_per_day: 0 },
        weight: 0.5,
        max_priority: -1,
        webhook: { url: 'https://a.example/hook', events: ['job.succeeded', 'job.failed'], secrets: [results[1]] },
      },
    ]);
  });

  it('accepts the limits of one job', async () => {
    const limits = '--max-steps 30 --max-size=1024 --max-count 2 --max-pixels 2000000 --max-gpu-seconds 60'.split(' ');
    await keys('create', 'acme', ...limits);
    expect(await stored()).toMatchObject([
      { limits: { max_steps: 30, max_size: 1024, max_count: 2, max_pixels: 2_000_000, max_gpu_seconds: 60 } },
    ]);
  });

  it('accepts patterns of allowed and denied node classes', async () => {
    await keys('create', 'acme', '--allow-nodes', 'VHS_*, ImageResize+', '--deny-nodes', 'KSampler*');
    expect(await stored()).toMatchObject([{ allow_nodes: ['VHS_*', 'ImageResize+'], deny_nodes: ['KSampler*'] }]);
  });

  it.each([
    [['Acme'], 'The id must have 1 to 64 characters, only a-z, 0-9, _ and -'],
    [['anonymous'], 'The id must not be the name of callers without a key.'],
    [['acme', '--jobs-waiting', 'many'], '--jobs-waiting must be a whole number.'],
    [['acme', '--jobs-waiting', '0x10'], '--jobs-waiting must be a whole number.'],
    [['acme', '--jobs-running', '0'], '--jobs-running must be 1 or more.'],
    [['acme', '--weight', '1000'], '--weight must be 100 or less.'],
    [['acme', '--scopes', 'root'], '--scopes may only have jobs, admin, graphs, models.'],
    [['acme', '--webhook-url', 'ftp://a.example'], '--webhook-url must be an http:// or https:// address.'],
    [['acme', '--webhook-events', 'job.begun'], '--webhook-events may only have job.succeeded, '],
  ])('refuses %j with a sentence, and creates no file', async (args, sentence) => {
    const { code, results, said } = await keys('create', ...args);
    expect({ code, results }).toEqual({ code: 1, results: [] });
    expect(said).toContain(sentence);
    expect(await readdir(dir)).toEqual([]);
  });

  it('refuses an existing id, and leaves its key unchanged', async () => {
    await keys('create', 'acme');
    const before = await readFile(path, 'utf8');
    for (const more of [[], ['--weight', '2'], ['--weight', '2', '--webhook-secret', 'new']]) {
      const { code, results, said } = await keys('create', 'acme', ...more);
      expect({ code, results }).toEqual({ code: 1, results: [] });
      expect(said).toContain('There is already a key acme in');
    }
    expect(await readFile(path, 'utf8')).toBe(before);
  });

  it('leaves a broken file unchanged and says what is wrong with it', async () => {
    await writeFile(path, '{"keys":[{}]}');
    const { code, said } = await keys('create', 'acme');
    expect(code).toBe(1);
    expect(said).toContain(`${path}: key no. 1: id is missing.`);
    expect(await readFile(path, 'utf8')).toBe('{"keys":[{}]}');
    expect(await readdir(dir)).toEqual(['keys.json']);
  });

  it('keeps the mode of the file, and a symlink to it', async () => {
    await mkdir(join(dir, 'real'));
    await writeFile(join(dir, 'real/keys.json'), '{"keys":[]}', { mode: 0o640 });
    await symlink('real/keys.json', path);
    expect((await keys('create', 'acme')).code).toBe(0);
    expect(await readlink(path)).toBe('real/keys.json');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(join(dir, 'real'))).toEqual(['keys.json']);
  });

  it('recovers from a command that was killed while it wrote the file', async () => {
    await writeFile(`${path}.tmp`, '{"keys":', { mode: 0o644 });
    expect((await keys('create', 'acme')).code).toBe(0);
    expect(await readdir(dir)).toEqual(['keys.json']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('creates the folder if it is missing', async () => {
    path = join(dir, 'new/folder/keys.json');
    expect((await keys('create', 'acme')).code).toBe(0);
    expect((await stat(join(dir, 'new'))).mode & 0o777).toBe(0o700);
  });

  it('says in a sentence why the file cannot be created', async () => {
    await writeFile(join(dir, 'file'), '');
    path = join(dir, 'file/keys.json');
    const { code, said } = await keys('create', 'acme');
    expect(code).toBe(1);
    expect(said).toMatch(/^The keys file cannot be used: ENOTDIR.*\.$/);
  });
});

describe('keys create --webhook-secret new', () => {
  it('gives an existing key a second secret, and drops the oldest of three', async () => {
    const { results: first } = await keys('create', 'acme', '--webhook-secret', 'new');
    expect(first[1]).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const [before] = await stored();
    const { results: second, said } = await keys('create', 'acme', '--webhook-secret', 'new');
    expect(second).toHaveLength(1);
    expect(said).toContain('The previous secret also signs');
    expect(await stored()).toEqual([{ ...before, webhook: { secrets: [second[0], first[1]] } }]);
    const { results: third } = await keys('create', 'acme', '--webhook-secret', 'new');
    expect((await stored())[0]?.webhook?.secrets).toEqual([third[0], second[0]]);
  });

  it('does not show existing secrets in the list', async () => {
    const { results } = await keys('create', 'acme', '--webhook-secret', 'new', '--webhook-url', 'https://a.example');
    const list = (await keys('list')).results.join('\n');
    expect(list).toContain('webhook-url https://a.example, 1 webhook secret');
    expect(list).not.toContain('whsec_');
    expect(list).not.toContain(results[0]);
  });
});

describe('keys list', () => {
  it('lists id, scopes, creation time, own limits and only the beginning of the digest', async () => {
    await keys('create', 'acme', '--jobs-waiting', '5', '--weight', '2');
    await keys('create', 'ops', '--scopes', 'admin');
    const { code, results } = await keys('list');
    const [acme, ops] = await stored();
    expect(code).toBe(0);
    expect(results.map((line) => line.split(/ {2,}/))).toEqual([
      ['ID', 'SCOPES', 'CREATED', 'SHA-256', 'OF ITS OWN'],
      ['acme', 'jobs', acme?.created_at, `${acme?.sha256.slice(0, 8)}…`, 'jobs-waiting 5, weight 2'],
      ['ops', 'admin', ops?.created_at, `${ops?.sha256.slice(0, 8)}…`, '-'],
    ]);
  });

  it('lists a key that was added by hand without a creation time', async () => {
    await writeFile(path, JSON.stringify({ keys: [{ id: 'a', sha256: hashApiKey('a'), scopes: ['jobs'] }] }));
    expect((await keys('list')).results[1]).toMatch(/^a +jobs +- +ca978112… +-$/);
  });

  it('says if there is no file or no key', async () => {
    expect(await keys('list')).toMatchObject({
      code: 1,
      said: expect.stringContaining(`There is no file ${path} yet`),
    });
    await writeFile(path, '{"keys":[]}');
    expect(await keys('list')).toMatchObject({ code: 0, said: expect.stringContaining('There are no keys in') });
  });
});

describe('keys revoke', () => {
  it('removes the key and keeps the others', async () => {
    await keys('create', 'acme');
    await keys('create', 'other');
    const { code, said } = await keys('revoke', 'acme');
    expect(code).toBe(0);
    expect(said).toContain('The key acme is revoked.');
    expect((await stored()).map(({ id }) => id)).toEqual(['other']);
  });

  it('lists the existing keys if the id is unknown', async () => {
    await keys('create', 'acme');
    const { code, said } = await keys('revoke', 'amce');
    expect({ code, said }).toEqual({ code: 1, said: `There is no key amce in ${path}. There are acme.` });
  });

  it('creates no file', async () => {
    expect((await keys('revoke', 'acme')).code).toBe(1);
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('the command line', () => {
  it.each([
    [['create', 'a', '--job-waiting', '5'], "unknown option '--job-waiting'\n(Did you mean --jobs-waiting?)"],
    [['list', '-x'], "unknown option '-x'"],
    [['list', '--scopes', 'jobs'], "unknown option '--scopes'"],
    [['revoke', 'a', '--weight', '1'], "unknown option '--weight'"],
    [['create', 'a', '--weight', '1', '--weight=2'], "argument '2' is invalid. It may be given only once."],
    [['create', 'a', '--weight', '--max-priority', '1'], 'It needs a value.'],
    [['create', 'a', '--weight='], 'It needs a value.'],
    [['create', 'a', '--webhook-secret', 'whsec_mine'], 'Only the word new is allowed'],
    [['create'], "missing required argument 'id'"],
    [['create', 'a', 'b', 'c'], 'too many arguments'],
    [['list', 'a'], 'too many arguments'],
    [['delete', 'a'], "unknown command 'delete'"],
  ])('refuses %j, says what is wrong, and points to the help', async (args, sentence) => {
    const { code, said } = await keys(...args);
    expect(code).toBe(2);
    expect(said).toContain(sentence);
    expect(said).toContain('see --help');
    expect(await readdir(dir)).toEqual([]);
  });

  it('shows every option in the help', async () => {
    const { code, results } = await keys('create', '--help');
    expect(code).toBe(0);
    expect(results.join()).toMatch(/create \[options\] <id>.*--scopes <a,b>.*--webhook-secret <new>.*--file <path>/s);
    expect((await keys('help')).results.join()).toMatch(/create .*list .*revoke /s);
  });
});

describe('the lock of the keys file', () => {
  it('admits one holder at a time', async () => {
    const order: string[] = [];
    const work = (name: string) =>
      withLock(`${path}.lock`, 5_000, async () => {
        order.push(`${name} in`);
        await stat(dir);
        order.push(`${name} out`);
      });
    await Promise.all([work('a'), work('b'), work('c')]);
    expect(order.map((entry) => entry.slice(2))).toEqual(['in', 'out', 'in', 'out', 'in', 'out']);
    expect(new Set(order.map((entry) => entry[0]))).toEqual(new Set(['a', 'b', 'c']));
  });

  it('is released when the work fails', async () => {
    const failing = withLock(`${path}.lock`, 0, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await withLock(`${path}.lock`, 0, async () => 'yes')).toBe('yes');
  });

  it('is never broken; after the timeout the error names the holder and the fix', async () => {
    await writeFile(`${path}.lock`, '4711\n');
    await expect(withLock(`${path}.lock`, 30, () => Promise.resolve())).rejects.toThrow(
      `Another keys command (process 4711) is changing the keys. If there is none, delete ${path}.lock and try again.`,
    );
    expect(await readdir(dir)).toEqual(['keys.json.lock']);
  });
});
