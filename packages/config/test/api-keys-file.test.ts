import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changedText } from '../src/api-keys/open-api-keys.js';
import { type ApiKeys, type ConfigError, hashApiKey, openApiKeys } from '../src/index.js';

let dir: string;
let path: string;
let opened: ApiKeys[];
let faults: ConfigError[];
let changes: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-keys-'));
  path = join(dir, 'keys.json');
  opened = [];
  faults = [];
  changes = [];
});

afterEach(async () => {
  for (const keys of opened) keys.close();
  await rm(dir, { recursive: true, force: true });
});

const fileOf = (...ids: readonly string[]) =>
  JSON.stringify({ keys: ids.map((id) => ({ id, sha256: hashApiKey(`cf_${id}`), scopes: ['jobs'] })) });

async function open(): Promise<ApiKeys> {
  const keys = await openApiKeys(path, {
    onChange: (all) => changes.push(all.map(({ id }) => id).join()),
    onFault: (error) => faults.push(error),
    everyMs: 10,
  });
  opened.push(keys);
  return keys;
}

async function replace(text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

const inForce = (keys: ApiKeys, id: string) => expect.poll(() => keys.byId(id), { interval: 10 }).toBeDefined();
const told = (count: number) => expect.poll(() => faults.length, { interval: 10 }).toBeGreaterThanOrEqual(count);
/** Waits until the file was checked several more times: another watcher opened after it notices a change made now. */
async function afterMoreLooks(): Promise<void> {
  const other = join(dir, 'other.json');
  await writeFile(other, fileOf());
  const keys = await openApiKeys(other, { onFault: (error) => faults.push(error), everyMs: 50 });
  opened.push(keys);
  await writeFile(other, fileOf('marker'));
  await inForce(keys, 'marker');
}

describe('openApiKeys', () => {
  it("finds a key by the caller's text, and by its id", async () => {
    await writeFile(path, fileOf('acme', 'other'));
    const keys = await open();
    expect(keys.find('cf_acme')).toMatchObject({ id: 'acme', scopes: ['jobs'] });
    expect(keys.byId('other')).toMatchObject({ sha256: hashApiKey('cf_other') });
  });

  it.each(['', 'cf_acm', 'cf_acme ', 'acme', hashApiKey('cf_acme'), '__proto__'])(
    'finds nothing for %j',
    async (presented) => {
      await writeFile(path, fileOf('acme'));
      expect((await open()).find(presented)).toBeUndefined();
    },
  );

  it('throws when there is no file, with the command that creates one', async () => {
    await expect(open()).rejects.toThrow(`${path}: cannot be read (there is no such file; npm run keys -- create <id>`);
  });

  it('throws when the file is a folder or has errors', async () => {
    await mkdir(path);
    await expect(open()).rejects.toThrow(/cannot be read \(EISDIR/);
    await rm(path, { recursive: true });
    await writeFile(path, '{"keys":[{}]}');
    await expect(open()).rejects.toMatchObject({ name: 'ConfigError', faults: { length: 3 } });
  });
});

describe('a keys file that changes', () => {
  it('is read again when it is written in place', async () => {
    await writeFile(path, fileOf('acme'));
    const keys = await open();
    await writeFile(path, fileOf('acme', 'late'));
    await inForce(keys, 'late');
    expect(keys.find('cf_late')).toMatchObject({ id: 'late' });
    expect(changes.at(-1)).toBe('acme,late');
  });

  it('is read again when it is replaced by a rename, and removed keys are no longer found', async () => {
    await writeFile(path, fileOf('acme'));
    const keys = await open();
    await replace(fileOf('late'));
    await inForce(keys, 'late');
    expect(keys.find('cf_acme')).toBeUndefined();
    expect(keys.byId('acme')).toBeUndefined();
    expect(changes).toEqual(['late']);
  });

  it('is read again when the new version has the size and time of the old one', async () => {
    const long = new Date('2026-01-01');
    await writeFile(path, fileOf('aaaa'));
    await utimes(path, long, long);
    const keys = await open();
    await writeFile(`${path}.new`, fileOf('bbbb'));
    await utimes(`${path}.new`, long, long);
    await rename(`${path}.new`, path);
    await inForce(keys, 'bbbb');
  });

  it('is read again when a symlink in its path changes, as in Kubernetes', async () => {
    for (const version of ['one', 'two']) {
      await mkdir(join(dir, version));
      await writeFile(join(dir, version, 'keys.json'), fileOf(version));
    }
    await symlink('one', join(dir, '..data'));
    await symlink('..data/keys.json', path);
    const keys = await open();
    expect(keys.find('cf_one')).toBeDefined();
    await symlink('two', join(dir, '..data_tmp'));
    await rename(join(dir, '..data_tmp'), join(dir, '..data'));
    await inForce(keys, 'two');
    expect(keys.find('cf_one')).toBeUndefined();
  });

  it('keeps its keys when the new version is invalid, reports that once, and uses the file when it is fixed', async () => {
    await writeFile(path, fileOf('acme'));
    const keys = await open();
    await replace('{"keys":[');
    await told(1);
    await afterMoreLooks();
    expect(faults.map((fault) => fault.faults[0])).toEqual([expect.stringContaining(`${path}: is not valid JSON`)]);
    expect(keys.find('cf_acme')).toBeDefined();
    await replace('{"keys":7}');
    await told(2);
    expect(faults[1]?.message).toContain('keys must be a list');
    expect(changes).toEqual([]);
    await replace(fileOf('fixed'));
    await inForce(keys, 'fixed');
    expect(faults).toHaveLength(2);
  });

  it('keeps its keys when it disappears, reports that once, and uses the file when it is back', async () => {
    await writeFile(path, fileOf('acme'));
    const keys = await open();
    await rm(path);
    await told(1);
    await afterMoreLooks();
    expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining('there is no such file')]);
    expect(keys.find('cf_acme')).toBeDefined();
    await writeFile(`${path}.new`, fileOf('back'));
    await rename(`${path}.new`, path);
    await inForce(keys, 'back');
  });

  it('does not report a version with the same content', async () => {
    await writeFile(path, fileOf('acme'));
    await open();
    await replace(fileOf('acme'));
    await afterMoreLooks();
    expect(changes).toEqual([]);
  });

  it('is not read after close', async () => {
    await writeFile(path, fileOf('acme'));
    const keys = await open();
    keys.close();
    await replace(fileOf('late'));
    await afterMoreLooks();
    expect(keys.byId('late')).toBeUndefined();
    expect(keys.find('cf_acme')).toBeDefined();
  });
});

const YEARS_AGO = new Date('2020-01-01');

async function write(text: string, time: Date): Promise<void> {
  await writeFile(path, text);
  await utimes(path, time, time);
}

describe('changedText', () => {
  it('reads an old file once', async () => {
    await write('one', YEARS_AGO);
    const read = changedText(path);
    expect([await read(), await read(), await read()]).toEqual(['one', undefined, undefined]);
  });

  it('reads a recent file again although it looks unchanged', async () => {
    const now = new Date();
    await write('one', now);
    const read = changedText(path);
    expect(await read()).toBe('one');
    await write('two', now);
    expect(await read()).toBe('two');
  });

  it('reads a replaced file with the same size and time', async () => {
    await write('one', YEARS_AGO);
    const read = changedText(path);
    await read();
    await rename(path, `${path}.old`);
    await write('two', YEARS_AGO);
    expect(await read()).toBe('two');
  });

  it('reads a file again after it was unreadable for a while', async () => {
    await write('one', YEARS_AGO);
    const read = changedText(path);
    await read();
    await rename(path, `${path}.old`);
    await expect(read()).rejects.toThrow('ENOENT');
    await rename(`${path}.old`, path);
    expect(await read()).toBe('one');
  });
});
