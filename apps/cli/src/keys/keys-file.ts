import { type FileHandle, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseApiKeys } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { Obstacle } from '../command.js';

const LOCK_WAIT_MS = 10_000;
const PRIVATE_FOLDER = 0o700;

/** The keys of the file; undefined: there is no file. Throws a ConfigError that names what is wrong with it. */
export async function readKeys(path: string): Promise<readonly ApiKey[] | undefined> {
  const text = await readFile(path, 'utf8').catch(absent);
  return text === undefined ? undefined : parseApiKeys(text, path);
}

/**
 * Changes the keys of the file, which is made if it is not there. Changes made at once by several processes come one after
 * the other. What `change` throws leaves the file as it was.
 */
export async function changeKeys(path: string, change: (keys: readonly ApiKey[]) => readonly ApiKey[]): Promise<void> {
  // beside the file itself: a link to it stays a link, and leads to the same lock
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

export function noFile(path: string): Obstacle {
  return new Obstacle(`There is no file ${path} yet: comfy-fleet keys create <id> makes it.`);
}

const LOOK_MS = 20;

/**
 * Runs `work` while this process alone has the lock file `path`. Others have it for milliseconds: after `waitMs` it throws
 * an Obstacle that says whose it is. A lock is never taken away from a process that seems dead, since two that do so at
 * once would both have it.
 */
export async function withLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + waitMs;
  while (!(await take(path))) {
    if (performance.now() > deadline) {
      const holder = await readFile(path, 'utf8').catch(() => '');
      throw new Obstacle(
        `Another keys command${holder === '' ? '' : ` (process ${holder.trim()})`} is changing the keys. If none is, delete ${path} and try again.`,
      );
    }
    await delay(LOOK_MS);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
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
 * Puts `text` in the place of a file, at once and durably: whoever reads it sees the old or the new one, whole. Owner and
 * mode stay, so that a service that could read it still can; a new file is its owner's alone. One caller at a time.
 */
async function replaceFile(path: string, text: string): Promise<void> {
  const old = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const fresh = `${path}.tmp`;
  await rm(fresh, { force: true }); // of a command that was killed
  const file = await open(fresh, 'wx', PRIVATE);
  try {
    try {
      if (old !== undefined) await takeAfter(file, old);
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
  // a rename is durable only when the folder is
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}

async function takeAfter(file: FileHandle, old: { uid: number; gid: number; mode: number }): Promise<void> {
  const { uid, gid } = await file.stat();
  if (uid !== old.uid || gid !== old.gid) await file.chown(old.uid, old.gid);
  await file.chmod(old.mode & 0o777);
}
