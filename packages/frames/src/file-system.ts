import { lstat, mkdir, open, opendir, readdir, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FleetError } from '@comfy-fleet/contracts';
import type { StoredFrame } from './frame-store.js';

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Runs one step on the file system. A failure becomes storage_failed, without the path that Node's message contains. */
export async function storing<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const code = errorCode(cause);
    const detail = NO_SPACE.has(code)
      ? 'There is no space left where pictures are stored.'
      : `The place where pictures are stored does not work (${code}).`;
    throw new FleetError('storage_failed', detail, { cause });
  }
}

export function isAbsent(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/** For `.catch`: returns undefined if the file does not exist. */
export function absentIsUndefined(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
  return undefined;
}

function errorCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? 'unknown error';
}

/** How many files are examined at once: a network volume takes about a millisecond for each. */
const AT_ONCE = 32;

/** Lists the files of a folder whose names are wanted; empty if there is no such folder. */
export async function* listFiles(dir: string, isWanted: (name: string) => boolean): AsyncGenerator<StoredFrame> {
  const folder = await storing(() => opendir(dir).catch(absentIsUndefined));
  if (folder === undefined) return;
  try {
    let names: string[] = [];
    for (;;) {
      const entry = await storing(() => folder.read());
      if (entry !== null && isWanted(entry.name)) names.push(entry.name);
      if (entry !== null && names.length < AT_ONCE) continue;
      for (const frame of await Promise.all(names.map((name) => describeFile(dir, name))))
        if (frame !== undefined) yield frame;
      if (entry === null) return;
      names = [];
    }
  } finally {
    await folder.close();
  }
}

async function describeFile(dir: string, name: string): Promise<StoredFrame | undefined> {
  const found = await storing(() => lstat(join(dir, name)).catch(absentIsUndefined));
  if (found === undefined || !found.isFile()) return undefined;
  return { name, bytes: found.size, modifiedAt: found.mtime };
}

export async function listFolder(dir: string): Promise<readonly string[]> {
  return (await readdir(dir).catch(absentIsUndefined)) ?? [];
}

/** Bytes that unprivileged users can still write to the volume of the folder, which need not exist yet. */
export async function freeBytesAt(dir: string): Promise<number> {
  for (let place = dir; ; place = dirname(place)) {
    try {
      const { bavail, bsize } = await statfs(place);
      return bavail * bsize;
    } catch (error) {
      if (!isAbsent(error) || dirname(place) === place) throw error;
    }
  }
}

/**
 * Creates a folder and its parents. Node's recursive mkdir loops forever in a folder that allows no subfolders, such as
 * /proc, and its thread keeps the process from exiting.
 */
export async function makeFolder(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    if (!isAbsent(error)) throw error;
    await makeFolder(dirname(path));
    await make();
  }
}

/** A rename survives a power cut only after its folder was synced. */
export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Lets concurrent callers share a sync. Each caller gets a sync that begins after its call; a failure reaches all callers
 * that share it.
 */
export function sharedSync(syncOnce: () => Promise<void>): { sync(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return {
    sync: () => {
      next ??= running
        .catch(() => {})
        .then(() => {
          next = undefined;
          running = syncOnce();
          return running;
        });
      return next;
    },
  };
}
