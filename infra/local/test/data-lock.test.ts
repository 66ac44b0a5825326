import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publishedSettings, takeData } from '../data-lock.mjs';
import { processIdentity } from '../process-identity.mjs';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-lock-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

const held = (holder: object) => writeFile(join(dir, 'run.lock'), JSON.stringify(holder));

describe('the lock of .data', () => {
  it('is refused while a living process holds it', async () => {
    await held({ name: 'npm start', pid: process.ppid, identity: processIdentity(process.ppid), children: [] });
    expect(() => takeData(dir, 'npm start')).toThrow(`Another npm start (process ${process.ppid}) is using`);
  });

  it('is taken over from a process that has ended, though another has its number now', async () => {
    await held({ pid: process.ppid, identity: 'began another day', children: [] });
    expect(takeData(dir, 'npm start').leftovers).toEqual([]);
  });

  it('is taken over when nothing can be read from it', async () => {
    await writeFile(join(dir, 'run.lock'), '');
    expect(takeData(dir, 'npm start').leftovers).toEqual([]);
  });

  it('tells the settings of the run that holds it, as long as that lives', async () => {
    expect(publishedSettings(dir)).toEqual({});
    const lock = takeData(dir, 'npm start');
    expect(publishedSettings(dir)).toEqual({});
    lock.publish({ REDIS_URL: 'redis://127.0.0.1:7' });
    lock.record('redis', process.ppid);
    expect(publishedSettings(dir)).toEqual({ REDIS_URL: 'redis://127.0.0.1:7' });
    lock.release();
    expect(publishedSettings(dir)).toEqual({});
    await held({
      pid: process.ppid,
      identity: 'began another day',
      children: [],
      settings: { REDIS_URL: 'redis://x' },
    });
    expect(publishedSettings(dir)).toEqual({});
  });

  it('names the processes of the dead run that still live, and only those', async () => {
    const living = { name: 'redis', pid: process.ppid, identity: processIdentity(process.ppid) };
    const ended = { name: 'api', pid: process.ppid, identity: 'began another day' };
    await held({ pid: process.ppid, identity: 'began another day', children: [living, ended] });
    expect(takeData(dir, 'npm start').leftovers).toEqual([living]);
  });

  it('leaves nothing behind when it is released', async () => {
    const lock = takeData(dir, 'npm start');
    lock.record('redis', process.ppid);
    expect(existsSync(join(dir, 'run.lock'))).toBe(true);
    lock.release();
    expect(await readdir(dir)).toEqual([]);
  });
});
