import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changedText } from '../src/api-keys/changed-text.js';

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-text-'));
  path = join(dir, 'file');
});

afterEach(() => rm(dir, { recursive: true, force: true }));

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

  it('reads a fresh file again though nothing of it looks changed', async () => {
    const now = new Date();
    await write('one', now);
    const read = changedText(path);
    expect(await read()).toBe('one');
    await write('two', now);
    expect(await read()).toBe('two');
  });

  it('reads a file that was put in its place though it has the same size and time', async () => {
    await write('one', YEARS_AGO);
    const read = changedText(path);
    await read();
    await rename(path, `${path}.old`);
    await write('two', YEARS_AGO);
    expect(await read()).toBe('two');
  });

  it('reads again a file that could not be read for a while', async () => {
    await write('one', YEARS_AGO);
    const read = changedText(path);
    await read();
    await rename(path, `${path}.old`);
    await expect(read()).rejects.toThrow('ENOENT');
    await rename(`${path}.old`, path);
    expect(await read()).toBe('one');
  });
});
