import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat as statFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DigestCache } from './digest-cache.js';
import {
  absentIsUndefined,
  freeBytesAt,
  isAbsent,
  listFiles,
  listFolder,
  makeFolder,
  sharedSync,
  storing,
  syncFolder,
} from './file-system.js';
import type { ByteRange, FrameInfo, FrameStore } from './frame-store.js';
import { isSafeName, safeName } from './names.js';

/** The end of a temporary file's name. It is matched exactly, so that the owner "gpu" does not remove files of "gpu.1". */
const TEMPORARY_END = /^[0-9a-f]{16}\.tmp$/;

/**
 * Stores files in one folder, which is created with the first file. `owner` names the writing process, so that it can
 * remove its own temporary files after a crash but not those of other processes on the same volume.
 */
export function createFileFrames(options: { readonly dir: string; readonly owner: string }): FrameStore {
  const { dir } = options;
  const temporary = `.${options.owner.replace(/[^A-Za-z0-9._-]/g, '_')}.`;
  const digests = new DigestCache();
  const folder = sharedSync(() => syncFolder(dir));

  /** Creates the folder only if opening fails, which happens the first time and after somebody removed the folder. */
  async function create(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx');
    } catch (error) {
      if (!isAbsent(error)) return storing(() => Promise.reject(error));
      await storing(() => makeFolder(dir));
      return storing(() => open(path, 'wx'));
    }
  }

  const temporaryPath = () => join(dir, `${temporary}${randomBytes(8).toString('hex')}.tmp`);

  async function put(
    name: string | (() => Promise<string>),
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { signal }: { readonly signal: AbortSignal },
  ) {
    if (typeof name === 'string') safeName(name);
    signal.throwIfAborted();
    const path = temporaryPath();
    try {
      const stored = await writeDurably(await create(path), source, signal);
      const final = typeof name === 'string' ? name : safeName(await name());
      await storing(() => rename(path, join(dir, final)));
      await storing(folder.sync);
      return stored;
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined); // sweepTemporary removes the file later
      throw signal.aborted ? signal.reason : error;
    }
  }

  async function stat(name: string): Promise<FrameInfo | undefined> {
    const file = await openForReading(dir, name);
    if (file === undefined) return undefined;
    try {
      const { size, ino, mtimeMs, mtime } = await storing(() => file.stat());
      // Storing a name again creates a new file, with another inode number or at least another time.
      const sha256 = await digests.get(`${name} ${ino} ${size} ${mtimeMs}`, () => storing(() => digest(file)));
      return { bytes: size, modifiedAt: mtime, sha256 };
    } finally {
      await file.close();
    }
  }

  async function openFrame(name: string, range?: ByteRange): Promise<Readable | undefined> {
    const file = await openForReading(dir, name);
    if (file === undefined) return undefined;
    try {
      const { size } = await storing(() => file.stat());
      // Without an end the stream would read once more. A client that has all bytes may close the connection before that.
      return file.createReadStream(range ?? { end: Math.max(0, size - 1) });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async function remove(name: string): Promise<void> {
    if (isSafeName(name)) await storing(() => rm(join(dir, name), { force: true }));
  }

  async function touch(name: string): Promise<boolean> {
    if (!isSafeName(name)) return false;
    const now = new Date();
    return storing(async () => (await utimes(join(dir, name), now, now).catch(absentIsNull)) !== null);
  }

  async function deleteUnchanged(name: string, modifiedAt: Date): Promise<boolean> {
    if (!isSafeName(name)) return false;
    const [path, aside] = [join(dir, name), asidePath(dir, name)];
    const isUnchanged = async (file: string) =>
      (await statFile(file).catch(absentIsUndefined))?.mtime.getTime() === modifiedAt.getTime();
    return storing(async () => {
      // Do not move a file that is in use again: if this process died now, a job would miss the file.
      if (!(await isUnchanged(path))) return false;
      if ((await rename(path, aside).catch(absentIsNull)) === null) return false;
      // Check again after the move. From here on, `touch` reports that there is no such file.
      if (await isUnchanged(aside)) {
        await rm(aside, { force: true });
        return true;
      }
      await rename(aside, path);
      return false;
    });
  }

  async function sweepTemporary(): Promise<number> {
    const names = await storing(() => listFolder(dir));
    const mine = names.filter((name) => name.startsWith(temporary) && TEMPORARY_END.test(name.slice(temporary.length)));
    for (const name of mine) await storing(() => rm(join(dir, name), { force: true }));
    return mine.length;
  }

  async function sweepAbandoned(before: Date): Promise<number> {
    let removed = 0;
    for await (const { name, modifiedAt } of listFiles(dir, isTemporary)) {
      if (modifiedAt >= before) continue;
      await storing(() => rm(join(dir, name), { force: true }));
      removed += 1;
    }
    return removed;
  }

  return {
    put,
    stat,
    open: openFrame,
    delete: remove,
    touch,
    deleteUnchanged,
    list: (beginning = '') => listFiles(dir, (name) => name.startsWith(beginning) && isSafeName(name)),
    freeBytes: () => storing(() => freeBytesAt(dir)),
    sweepTemporary,
    sweepAbandoned,
    link: async () => undefined,
  };
}

function isTemporary(name: string): boolean {
  return /^\.[A-Za-z0-9._-]+\.([0-9a-f]{16}|deleting)\.tmp$/.test(name);
}

/** Writes, hashes and syncs a new file. Only failures of the file system become storage_failed. */
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

/**
 * How often a reader looks for a file. Every process that is deciding about the file may move it aside once and back
 * once, and each move can hide it from one look: this is enough for four processes.
 */
const LOOKS = 10;

/** The path of a file while `deleteUnchanged` decides. All processes use the same one, because all must be able to read it. */
function asidePath(dir: string, name: string): string {
  return join(dir, `.${name}.deleting.tmp`);
}

async function openForReading(dir: string, name: string): Promise<FileHandle | undefined> {
  if (!isSafeName(name)) return undefined;
  const [path, aside] = [join(dir, name), asidePath(dir, name)];
  for (let look = 0; look < LOOKS; look++) {
    const file = await storing(() => open(look % 2 === 0 ? path : aside, 'r').catch(absentIsUndefined));
    if (file !== undefined) return file;
  }
  return undefined;
}

function absentIsNull(error: unknown): null {
  absentIsUndefined(error);
  return null;
}

async function digest(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk);
  return hash.digest('hex');
}
