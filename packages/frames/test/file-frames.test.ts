import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  appendFile,
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { FleetError, newId } from '@comfy-fleet/contracts';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createFileFrames, type FrameStore, frameName } from '../src/index.js';
import { frameStoreContract, type Place, read, sha256 } from './frame-store-contract.js';

const { signal } = new AbortController();

let root: string;
let dir: string;
let frames: FrameStore;
let name: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'frames-'));
  dir = join(root, 'frames');
  frames = createFileFrames({ dir, owner: 'gpu-1' });
  name = frameName(newId(), 1);
});
afterEach(() => rm(root, { recursive: true }));

// file-frames-housekeeping.test.ts runs 300 rounds, with stricter checks.
frameStoreContract('folder', openFolder, 30);

describe('put', () => {
  it('creates the folder, stores a stream and returns its size and digest', async () => {
    const data = randomBytes(300_000);
    const chunks = Readable.from([data.subarray(0, 1), data.subarray(1, 200_000), data.subarray(200_000)]);
    expect(await frames.put(name, chunks, { signal })).toEqual({ bytes: data.length, sha256: sha256(data) });
    expect(await readFile(join(dir, name))).toEqual(data);
    expect(await readdir(dir)).toEqual([name]);
  });

  it('syncs the folder after the rename, which a crash could undo otherwise', async () => {
    await mkdir(dir);
    const synced = await watchSyncs();
    await frames.put(name, [Buffer.from('x')], { signal });
    expect(synced).toEqual(['file', `folder with ${name}`]);
  });

  it('throws storage_failed without a path when the folder cannot be created', async () => {
    await writeFile(dir, 'a file where the folder should be');
    const error = await frames.put(name, [Buffer.from('x')], { signal }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FleetError);
    expect(error).toMatchObject({ code: 'storage_failed', detail: expect.not.stringContaining(root) });
  });

  it.skipIf(!existsSync('/proc'))('throws storage_failed for a folder under /proc', { timeout: 30_000 }, async () => {
    const nowhere = createFileFrames({ dir: '/proc/nowhere/frames', owner: 'gpu-1' });
    const put = nowhere.put(name, [Buffer.from('x')], { signal });
    await expect(put).rejects.toMatchObject({ code: 'storage_failed' });
  });

  it('creates a folder and its parents once for concurrent puts', async () => {
    const deep = createFileFrames({ dir: join(dir, 'a', 'b'), owner: 'gpu-1' });
    const names = [1, 2, 3, 4].map((index) => frameName(newId(), index));
    await Promise.all(names.map((each) => deep.put(each, [Buffer.from('x')], { signal })));
    expect((await readdir(join(dir, 'a', 'b'))).sort()).toEqual([...names].sort());
  });

  it('throws storage_failed and leaves nothing when a folder has the name', async () => {
    await mkdir(join(dir, name), { recursive: true });
    await expect(frames.put(name, [Buffer.from('x')], { signal })).rejects.toMatchObject({ code: 'storage_failed' });
    expect(await readdir(dir)).toEqual([name]);
  });
});

describe('stat, open and delete', () => {
  it('reads a file for its digest once, not for every stat', async () => {
    await frames.put(name, [Buffer.from('first')], { signal });
    const known = await frames.stat(name);
    // File, size and time stay the same, so that only reading the content again would show the change.
    await writeFile(join(dir, name), 'FIRST');
    await utimes(join(dir, name), known?.modifiedAt ?? 0, known?.modifiedAt ?? 0);
    const settled = await frames.stat(name);
    await writeFile(join(dir, name), 'fIrSt');
    await utimes(join(dir, name), known?.modifiedAt ?? 0, known?.modifiedAt ?? 0);
    expect(await frames.stat(name)).toEqual(settled);
  });

  it('lets a reader finish after the file was deleted', async () => {
    const data = randomBytes(1_000_000);
    await frames.put(name, [data], { signal });
    const stream = await frames.open(name);
    await frames.delete(name);
    expect(await read(stream)).toEqual(data);
    expect(await frames.stat(name)).toBeUndefined();
    expect(await frames.open(name)).toBeUndefined();
    await expect(frames.delete(name)).resolves.toBeUndefined();
  });

  it('ends a stream with the last byte that the file had, without another read', async () => {
    await frames.put(name, [Buffer.from('all')], { signal });
    const stream = await frames.open(name);
    await appendFile(join(dir, name), 'more');
    expect(await read(stream)).toEqual(Buffer.from('all'));
  });

  it.each(['../secret.txt', 'sub/secret.txt', '..%2fsecret.txt', 'secret.txt\0.png', 'sub', '.', ''])(
    'finds nothing under the name %j and removes nothing',
    async (bad) => {
      await mkdir(join(dir, 'sub'), { recursive: true });
      await writeFile(join(root, 'secret.txt'), 'secret');
      await writeFile(join(dir, 'sub', 'secret.txt'), 'secret');
      expect(await frames.stat(bad)).toBeUndefined();
      expect(await frames.open(bad)).toBeUndefined();
      await frames.delete(bad);
      expect(await readFile(join(root, 'secret.txt'), 'utf8')).toBe('secret');
      expect(await readFile(join(dir, 'sub', 'secret.txt'), 'utf8')).toBe('secret');
    },
  );

  it('throws storage_failed when a file exists but cannot be read', async () => {
    await mkdir(dir);
    await symlink(name, join(dir, name)); // a loop: ELOOP for root too
    await expect(frames.stat(name)).rejects.toMatchObject({ code: 'storage_failed' });
    await expect(frames.open(name)).rejects.toMatchObject({ code: 'storage_failed' });
  });
});

describe('sweepTemporary', () => {
  it("removes this owner's temporary files but not those of others", async () => {
    expect(await frames.sweepTemporary()).toBe(0);
    const random = '0123456789abcdef';
    const mine = `.gpu-1.${random}.tmp`;
    const others = [`.gpu-1.x.${random}.tmp`, `.gpu-10.${random}.tmp`, `.gpu-2.${random}.tmp`];
    await mkdir(dir);
    for (const file of [mine, name, ...others]) await writeFile(join(dir, file), 'x');
    expect(await frames.sweepTemporary()).toBe(1);
    expect((await readdir(dir)).sort()).toEqual([...others, name].sort());
  });

  it('finds the temporary file of a hanging put, even if its owner has unusual characters in its name', async () => {
    const odd = createFileFrames({ dir, owner: 'räck/7' });
    const abort = new AbortController();
    let started = () => {};
    const underWay = new Promise<void>((resolve) => {
      started = resolve;
    });
    async function* endless() {
      yield Buffer.from('half');
      started();
      await new Promise((_, reject) => abort.signal.addEventListener('abort', () => reject(abort.signal.reason)));
    }
    const hanging = odd.put(name, endless(), { signal: abort.signal }).catch((caught: unknown) => caught);
    await underWay;
    expect(await readdir(dir)).toEqual([expect.stringMatching(/^\.r_ck_7\.[0-9a-f]{16}\.tmp$/)]);
    expect(await frames.sweepTemporary()).toBe(0);
    expect(await odd.sweepTemporary()).toBe(1);
    abort.abort(new Error('over'));
    expect(await hanging).toBe(abort.signal.reason);
  });
});

async function openFolder(): Promise<Place> {
  const base = await mkdtemp(join(tmpdir(), 'frames-contract-'));
  const folder = join(base, 'frames');
  return {
    open: (owner) => createFileFrames({ dir: folder, owner }),
    contents: () => readdir(folder).catch(() => []),
    age: (file, time) => utimes(join(folder, file), time, time),
    ruin: () => writeFile(folder, 'a file where the folder should be'),
    secrets: [base],
    close: () => rm(base, { recursive: true }),
  };
}

/** Records syncs from now on, and the content of the folder at the time. */
async function watchSyncs(): Promise<readonly string[]> {
  const synced: string[] = [];
  const any = await open(root);
  const prototype = Object.getPrototypeOf(any) as FileHandle;
  await any.close();
  const { sync } = prototype;
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    const isFolder = (await this.stat()).isDirectory();
    synced.push(isFolder ? `folder with ${await readdir(dir)}` : 'file');
    await sync.call(this);
  });
  onTestFinished(() => spy.mockRestore());
  return synced;
}
