import { mkdir, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { safetensors, sha256 } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { FolderOnDisk, folderId } from '../../src/models/folder.js';
import { PartFile } from '../../src/models/part-file.js';
import { temporaryFolder } from './fetching.js';

const KIB = 1024;
const limits = { maxBytes: 1024 * KIB, minFreeBytes: 0 };
const model = (name: string) => ({ kind: 'loras', name }) as const;
const A = model('a.safetensors');

/** Puts a fetched file into the folder. */
async function put(folder: FolderOnDisk, of: ReturnType<typeof model>, content: Buffer): Promise<void> {
  const paths = await folder.part(of);
  await folder.reserve(of, content.length);
  await writeFile(paths.data, content);
  await folder.place(of, { sha256: sha256(content), bytes: content.length });
}

async function beginPart(folder: FolderOnDisk, of: ReturnType<typeof model>, bytes: number): Promise<void> {
  await folder.reserve(of, bytes);
  const content = { id: `loras/${of.name}`, identity: 'x', bytes, cellBytes: 4 * KIB };
  const part = await PartFile.open(await folder.part(of), content);
  await part.write(Buffer.alloc(4 * KIB, 1), 0);
  await part.finishCell(0);
  await part.close();
}

describe('folderId', () => {
  it('is the same for all workers that ask at the same time', async () => {
    const dir = await temporaryFolder();
    const ids = await Promise.all(Array.from({ length: 10 }, () => folderId(dir)));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(await readdir(join(dir, '.comfy-fleet'))).toEqual(['id']);
  });

  it('is refused for a folder that does not exist, which may be a volume that is not mounted', async () => {
    await expect(folderId(join(await temporaryFolder(), 'models'))).rejects.toThrow('ENOENT');
  });
});

describe('reserve', () => {
  it('never gives more than MODELS_MAX_BYTES to fetches that ask at the same time', async () => {
    const folder = await FolderOnDisk.open(await temporaryFolder(), limits);
    const asked = Array.from({ length: 20 }, (_, n) => folder.reserve(model(`${n}.safetensors`), 100 * KIB));
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(9);
    expect(folder.usedBytes).toBeLessThanOrEqual(limits.maxBytes);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'no_space', bytes: 100 * KIB },
    });
  });

  it('counts what the fleet fetched, and not what others have put there', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'loras'));
    await writeFile(join(dir, 'loras', 'theirs.safetensors'), safetensors(900 * KIB));
    const folder = await FolderOnDisk.open(dir, limits);
    await put(folder, A, safetensors(500 * KIB));
    await expect(folder.reserve(model('b.safetensors'), 500 * KIB)).rejects.toMatchObject({ code: 'no_space' });
    await folder.evict(A);
    await folder.reserve(model('b.safetensors'), 500 * KIB);
  });

  it('refuses what would fill the volume', async () => {
    const folder = await FolderOnDisk.open(await temporaryFolder(), {
      maxBytes: undefined,
      minFreeBytes: Number.MAX_SAFE_INTEGER,
    });
    await expect(folder.reserve(A, 1)).rejects.toMatchObject({ code: 'no_space' });
  });

  it('deletes unfinished files that no fetch continues, if it needs their space', async () => {
    const dir = await temporaryFolder();
    const first = await FolderOnDisk.open(dir, limits);
    await beginPart(first, A, 900 * KIB);
    await first.release(A, { keepPart: true });
    await put(first, model('b.safetensors'), safetensors(900 * KIB));
    await first.reserve(model('c.safetensors'), 36 * KIB);
    expect(await readdir(join(dir, 'loras', '.comfy-fleet'))).toHaveLength(2);
    await first.reserve(model('d.safetensors'), 16 * KIB);
    expect(await readdir(join(dir, 'loras', '.comfy-fleet'))).toHaveLength(0);
  });
});

describe('an unfinished file', () => {
  it('is found and counted after a restart, and deleted once its model is not registered any more', async () => {
    const dir = await temporaryFolder();
    await beginPart(await FolderOnDisk.open(dir, limits), A, 100 * KIB);
    const folder = await FolderOnDisk.open(dir, limits);
    expect(folder.usedBytes).toBeGreaterThan((await FolderOnDisk.open(await temporaryFolder(), limits)).usedBytes);
    await folder.sweep(() => false);
    expect(await readdir(join(dir, 'loras', '.comfy-fleet'))).toHaveLength(2);
    await folder.sweep(() => true);
    expect(await readdir(join(dir, 'loras', '.comfy-fleet'))).toHaveLength(0);
  });

  it('is deleted after a restart if its progress cannot be read', async () => {
    const dir = await temporaryFolder();
    const before = await FolderOnDisk.open(dir, limits);
    await beginPart(before, A, 100 * KIB);
    await truncate((await before.part(A)).progress, 30);
    await FolderOnDisk.open(dir, limits);
    expect(await readdir(join(dir, 'loras', '.comfy-fleet'))).toEqual([]);
  });
});

describe('place', () => {
  it('never replaces a file that the fleet did not fetch', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'loras'));
    await writeFile(join(dir, 'loras', A.name), 'theirs');
    const folder = await FolderOnDisk.open(dir, limits);
    await expect(put(folder, A, safetensors(1000))).rejects.toMatchObject({ code: 'disk_failed' });
    expect(await readFile(join(dir, 'loras', A.name), 'utf8')).toBe('theirs');
  });

  it('follows a link for a kind, but none within it', async () => {
    const [dir, other, outside] = [await temporaryFolder(), await temporaryFolder(), await temporaryFolder()];
    await symlink(other, join(dir, 'loras'));
    await symlink(outside, join(other, 'away'));
    const folder = await FolderOnDisk.open(dir, limits);
    await put(folder, model('sdxl/a.safetensors'), safetensors(1000));
    expect(await readdir(join(other, 'sdxl'))).toEqual(['a.safetensors']);
    for (const name of ['away/a.safetensors', 'away/new/a.safetensors', '../a.safetensors', '.hidden/a.safetensors']) {
      await expect(folder.part(model(name))).rejects.toMatchObject({ code: 'disk_failed' });
    }
    expect(await readdir(outside)).toEqual([]);
  });
});

describe('a fetched file', () => {
  it('is still known after a restart, and can be evicted', async () => {
    const dir = await temporaryFolder();
    await put(await FolderOnDisk.open(dir, limits), A, safetensors(1000));
    const folder = await FolderOnDisk.open(dir, limits);
    expect(folder.fetchedIds).toEqual([`loras/${A.name}`]);
    await folder.evict(A);
    expect(await readdir(join(dir, 'loras'))).toEqual(['.comfy-fleet']);
    expect((await FolderOnDisk.open(dir, limits)).fetchedIds).toEqual([]);
  });

  it('is not the fleet’s any more once somebody has replaced it', async () => {
    const folder = await FolderOnDisk.open(await temporaryFolder(), limits);
    await put(folder, A, safetensors(1000));
    await writeFile(folder.pathOf(A), 'theirs');
    await folder.evict(A);
    expect(await readFile(folder.pathOf(A), 'utf8')).toBe('theirs');
    expect(folder.fetchedIds).toEqual([]);
  });

  it('is found in the folder that ComfyUI used for its kind in the past', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'unet'));
    await writeFile(join(dir, 'unet', 'flux.safetensors'), safetensors(1000));
    const folder = await FolderOnDisk.open(dir, limits);
    const path = join(dir, 'unet', 'flux.safetensors');
    expect(await folder.look({ kind: 'diffusion_models', name: 'flux.safetensors' })).toEqual({ path, bytes: 1000 });
  });
});
