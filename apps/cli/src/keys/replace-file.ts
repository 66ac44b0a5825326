import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const PRIVATE = 0o600;

/**
 * Puts `text` in the place of a file, at once and durably: whoever reads it sees the old or the new one, whole. Owner and
 * mode stay, so that a service that could read it still can; a new file is its owner's alone. One caller at a time.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
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
