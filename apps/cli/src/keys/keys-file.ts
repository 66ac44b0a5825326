import { type FileHandle, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseApiKeys } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { CommandError } from '../command.js';

const LOCK_WAIT_MS = 10_000;
const PRIVATE_FOLDER = 0o700;

/** The keys in the file; undefined if there is no file. Throws a ConfigError that says what is wrong with it. */
export async function readKeys(path: string): Promise<readonly ApiKey[] | undefined> {
  const text = await readFile(path, 'utf8').catch(absent);
  return text === undefined ? undefined : parseApiKeys(text, path);
}

/**
 * Changes the keys in the file, creating it if necessary. A lock serialises changes by several processes. If `change`
 * throws, the file stays unchanged.
 */
export async function changeKeys(path: string, change: (keys: readonly ApiKey[]) => readonly ApiKey[]): Promise<void> {
  // Work on the target of a symlink, so that the link survives and all paths share one lock.
  const target = (await realpath(path).catch(absent)) ?? path;
  await mkdir(dirname(target), { recursive: true, mode: PRIVATE_FOLDER });
  await withLock(`${target}.lock`, LOCK_WAIT_MS, async () => {
    const keys = change((await readKeys(target)) ?? []);
    await replaceFile(target, `${JSON.stringify({ keys }, null, 2)}\n`);
  });
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

export function missingFile(path: string): CommandError {
  return new CommandError(`There is no file ${path} yet: comfy-fleet keys create <id> creates it.`);
}

const RETRY_MS = 20;

/**
 * Runs `work` while this process holds the lock file `path`. Locks are held for milliseconds: after `waitMs` it throws a
 * CommandError that names the holder. We never break the lock of a process that seems dead, since two processes that do so
 * at once would both hold it.
 */
export async function withLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + waitMs;
  while (!(await tryLock(path))) {
    if (performance.now() > deadline) {
      const holder = await readFile(path, 'utf8').catch(() => '');
      throw new CommandError(
        `Another keys command${holder === '' ? '' : ` (process ${holder.trim()})`} is changing the keys. If there is none, delete ${path} and try again.`,
      );
    }
    await delay(RETRY_MS);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

const PRIVATE = 0o600;

/**
 * Replaces a file atomically and durably: readers see all of the old or all of the new text. Owner and mode stay, so that
 * services can still read it; only the owner can read a new file. Call it under the lock.
 */
async function replaceFile(path: string, text: string): Promise<void> {
  const old = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const fresh = `${path}.tmp`;
  await rm(fresh, { force: true }); // left by a command that was killed
  const file = await open(fresh, 'wx', PRIVATE);
  try {
    try {
      if (old !== undefined) await copyOwnerAndMode(file, old);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  // a rename is durable only after the folder is synced
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}

async function copyOwnerAndMode(file: FileHandle, old: { uid: number; gid: number; mode: number }): Promise<void> {
  const { uid, gid } = await file.stat();
  if (uid !== old.uid || gid !== old.gid) await file.chown(old.uid, old.gid);
  await file.chmod(old.mode & 0o777);
}
