import { mkdir, readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseApiKeys } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { withLock } from './file-lock.js';
import { replaceFile } from './replace-file.js';

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
