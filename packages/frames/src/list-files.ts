import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredFrame } from './frame-store.js';
import { absentIsUndefined, storing } from './storage-errors.js';

/** Files asked for their size and time at once: a volume on the network answers each after a millisecond or so. */
const AT_ONCE = 32;

/** The files of a folder whose names are wanted, with their sizes and times; none when there is no such folder. */
export async function* listFiles(dir: string, isWanted: (name: string) => boolean): AsyncGenerator<StoredFrame> {
  const folder = await storing(() => opendir(dir).catch(absentIsUndefined));
  if (folder === undefined) return;
  try {
    let names: string[] = [];
    for (;;) {
      const entry = await storing(() => folder.read());
      if (entry !== null && isWanted(entry.name)) names.push(entry.name);
      if (entry !== null && names.length < AT_ONCE) continue;
      for (const frame of await Promise.all(names.map((name) => look(dir, name)))) if (frame !== undefined) yield frame;
      if (entry === null) return;
      names = [];
    }
  } finally {
    await folder.close();
  }
}

async function look(dir: string, name: string): Promise<StoredFrame | undefined> {
  const found = await storing(() => lstat(join(dir, name)).catch(absentIsUndefined));
  if (found === undefined || !found.isFile()) return undefined;
  return { name, bytes: found.size, modifiedAt: found.mtime };
}
