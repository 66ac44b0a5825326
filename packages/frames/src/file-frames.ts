import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { DigestCache } from './digest-cache.js';
import type { ByteRange, FrameInfo, FrameStore } from './frame-store.js';
import { isSafeName } from './names.js';
import { sharedSync } from './shared-sync.js';
import { isAbsent, storing } from './storage-errors.js';

export interface FileFrames extends FrameStore {
  /**
   * Removes what this owner left half-written when it died, and answers how much that was. Call it before any `put`.
   */
  sweepTemporary(): Promise<number>;
}

/**
 * Pictures as files of one folder, which is made when the first is put. `owner` names the process that writes, so that
 * it can sweep its own temporary files after a crash and never those of a neighbour on the same volume.
 */
export function createFileFrames(options: { readonly dir: string; readonly owner: string }): FileFrames {
  const { dir } = options;
  const temporary = `.${options.owner.replace(/[^A-Za-z0-9._-]/g, '_')}.`;
  const digests = new DigestCache();
  const folder = sharedSync(() => syncFolder(dir));

  /** The folder is there but for the first time, and when somebody removed it. */
  async function create(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx');
    } catch (error) {
      if (!isAbsent(error)) return storing(() => Promise.reject(error));
      await storing(() => mkdir(dir, { recursive: true }));
      return storing(() => open(path, 'wx'));
    }
  }

  async function put(
    name: string,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { signal }: { readonly signal: AbortSignal },
  ) {
    if (!isSafeName(name))
      throw new FleetError('internal_error', 'A picture was given a name that is not a file name.');
    signal.throwIfAborted();
    const path = join(dir, `${temporary}${randomBytes(8).toString('hex')}.tmp`);
    try {
      const stored = await writeDurably(await create(path), source, signal);
      await storing(() => rename(path, join(dir, name)));
      await storing(folder.sync);
      return stored;
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined); // the sweep takes what cannot be removed now
      throw signal.aborted ? signal.reason : error;
    }
  }

  async function stat(name: string): Promise<FrameInfo | undefined> {
    const file = await openForReading(dir, name);
    if (file === undefined) return undefined;
    try {
      const { size, ino, mtimeMs, mtime } = await storing(() => file.stat());
      // A picture that is put again is a new file, so it has another inode number or at least another time.
      const sha256 = await digests.get(`${name} ${ino} ${size} ${mtimeMs}`, () => storing(() => digest(file)));
      return { bytes: size, modifiedAt: mtime, sha256 };
    } finally {
      await file.close();
    }
  }

  async function openFrame(name: string, range?: ByteRange): Promise<Readable | undefined> {
    const file = await openForReading(dir, name);
    return file?.createReadStream(range === undefined ? {} : { start: range.start, end: range.end });
  }

  async function remove(name: string): Promise<void> {
    if (isSafeName(name)) await storing(() => rm(join(dir, name), { force: true }));
  }

  async function sweepTemporary(): Promise<number> {
    const names = await storing(() => listFolder(dir));
    // The random part is matched to its end: the owner "gpu" must not take the files of the owner "gpu.1".
    const mine = names.filter(
      (name) => name.startsWith(temporary) && /^[0-9a-f]{16}\.tmp$/.test(name.slice(temporary.length)),
    );
    for (const name of mine) await storing(() => rm(join(dir, name), { force: true }));
    return mine.length;
  }

  return { put, stat, open: openFrame, delete: remove, sweepTemporary };
}

/** Writes and syncs one new file, hashing on the way. Only the file system's failures become storage_failed. */
async function writeDurably(
  file: FileHandle,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    const write = async (chunks: AsyncIterable<Uint8Array>) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.byteLength;
        await storing(() => file.appendFile(chunk));
      }
    };
    await pipeline(source, write, { signal });
    await storing(() => file.sync());
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** A rename is durable only when the folder is. */
async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function openForReading(dir: string, name: string): Promise<FileHandle | undefined> {
  if (!isSafeName(name)) return undefined;
  return storing(() => open(join(dir, name), 'r').catch(absentIsUndefined));
}

async function listFolder(dir: string): Promise<readonly string[]> {
  return (await readdir(dir).catch(absentIsUndefined)) ?? [];
}

function absentIsUndefined(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
  return undefined;
}

async function digest(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk);
  return hash.digest('hex');
}
