import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileFrames, type FrameStore, frameName, type StoredFrame } from '../src/index.js';

const { signal } = new AbortController();
const OLD = new Date('2026-01-01T00:00:00Z');

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

async function putOld(file = name, content = 'picture'): Promise<void> {
  await frames.put(file, [Buffer.from(content)], { signal });
  await utimes(join(dir, file), OLD, OLD);
}

async function listed(): Promise<StoredFrame[]> {
  const found: StoredFrame[] = [];
  for await (const frame of frames.list()) found.push(frame);
  return found.sort((a, b) => a.name.localeCompare(b.name));
}

describe('list', () => {
  it('returns name, size and time of every file, and nothing else in the folder', async () => {
    await putOld();
    await mkdir(join(dir, 'inputs.old'));
    await mkdir(join(dir, 'inputs'));
    await writeFile(join(dir, 'inputs', 'a.png'), 'x');
    await writeFile(join(dir, '.gpu-1.0123456789abcdef.tmp'), 'half');
    await symlink('loop.png', join(dir, 'loop.png'));
    expect(await listed()).toEqual([{ name, bytes: 7, modifiedAt: OLD }]);
  });

  it('does not read files: one of a hundred gigabytes is listed as fast as any', async () => {
    await putOld();
    await truncate(join(dir, name), 100e9);
    expect((await listed())[0]?.bytes).toBe(100e9);
  });

  it('lists thousands of files while they are deleted one after the other', async () => {
    await mkdir(dir);
    const names = Array.from({ length: 3000 }, () => frameName(newId(), 1));
    await Promise.all(names.map((file) => writeFile(join(dir, file), '')));
    const found: string[] = [];
    for await (const frame of frames.list()) {
      found.push(frame.name);
      await frames.delete(frame.name);
    }
    expect(found.sort()).toEqual(names.sort());
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('touch and deleteUnchanged', () => {
  it('does not move a file that was touched since, not even for an instant', async () => {
    await putOld();
    await frames.touch(name);
    await utimes(dir, OLD, OLD);
    expect(await frames.deleteUnchanged(name, OLD)).toBe(false);
    // The time of a folder changes with every name in it.
    expect((await stat(dir)).mtime).toEqual(OLD);
  });

  it('returns correctly whether it deleted or touched the file in every race', async () => {
    const other = createFileFrames({ dir, owner: 'gpu-2' });
    for (let round = 0; round < 300; round++) {
      await putOld();
      const [touched, ...deleted] = await Promise.all([
        frames.touch(name),
        frames.deleteUnchanged(name, OLD),
        other.deleteUnchanged(name, OLD),
      ]);
      const there = (await other.stat(name)) !== undefined;
      expect({ touched, deleted: deleted.includes(true) }).toEqual({ touched: there, deleted: !there });
    }
    expect((await readdir(dir)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });

  it('keeps a file readable at every moment after touch returned true, whichever of four processes move it', async () => {
    const others = ['gpu-2', 'gpu-3', 'gpu-4'].map((owner) => createFileFrames({ dir, owner }));
    for (let round = 0; round < 300; round++) {
      await putOld();
      let isDecided = false;
      const deleted = Promise.all([frames, ...others].map((store) => store.deleteUnchanged(name, OLD))).finally(() => {
        isDecided = true;
      });
      if (await frames.touch(name)) while (!isDecided) expect(await frames.stat(name)).toBeDefined();
      await deleted;
    }
  });

  it('keeps a file readable that a dead process had moved aside, until sweepAbandoned', async () => {
    await putOld();
    await rename(join(dir, name), join(dir, `.${name}.deleting.tmp`));
    expect(await frames.stat(name)).toMatchObject({ bytes: 7, modifiedAt: OLD });
    expect(await listed()).toEqual([]);
    expect(await frames.sweepAbandoned(new Date())).toBe(1);
    expect(await frames.stat(name)).toBeUndefined();
  });

  it('deletes nothing outside its folder', async () => {
    await writeFile(join(root, 'secret.txt'), 'secret');
    await utimes(join(root, 'secret.txt'), OLD, OLD);
    expect(await frames.deleteUnchanged('../secret.txt', OLD)).toBe(false);
    expect(await readFile(join(root, 'secret.txt'), 'utf8')).toBe('secret');
  });
});

describe('freeBytes', () => {
  it('returns the free disk space of the volume, even before the folder exists', async () => {
    const { bavail, bsize } = await statfs(root);
    const nested = createFileFrames({ dir: join(dir, 'not', 'made', 'yet'), owner: 'gpu-1' });
    for (const store of [frames, nested]) {
      // Other processes write to this volume meanwhile.
      expect(Math.abs(((await store.freeBytes()) ?? 0) - bavail * bsize)).toBeLessThan(0.2 * bavail * bsize);
    }
  });

  it('throws storage_failed without a path when a file is in the place of the folder', async () => {
    await writeFile(join(root, 'file'), '');
    const store = createFileFrames({ dir: join(root, 'file', 'frames'), owner: 'gpu-1' });
    const error = await store.freeBytes().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'storage_failed', detail: expect.not.stringContaining(root) });
  });
});

describe('sweepAbandoned', () => {
  it('removes old half-written files of any owner, but no newer or complete ones', async () => {
    await putOld();
    const [mine, theirs, young] = ['gpu-1', 'api-pod.7f9c-3000', 'gpu-3'].map(
      (owner) => `.${owner}.0123456789abcdef.tmp`,
    ) as [string, string, string];
    for (const file of [mine, theirs, young, '.hidden', '.x.tmp']) await writeFile(join(dir, file), 'half');
    for (const file of [mine, theirs, '.hidden', '.x.tmp']) await utimes(join(dir, file), OLD, OLD);
    expect(await frames.sweepAbandoned(new Date(OLD.getTime() + 1))).toBe(2);
    expect((await readdir(dir)).sort()).toEqual(['.hidden', '.x.tmp', young, name].sort());
    expect(await frames.sweepAbandoned(OLD)).toBe(0);
  });
});
