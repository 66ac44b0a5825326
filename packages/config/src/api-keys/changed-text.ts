import { readFile, stat } from 'node:fs/promises';

/** A file written twice within one tick of its disk's clock has the same time twice; the slowest clocks tick seconds. */
const SETTLED_MS = 2_000;

/**
 * Reads the file when it may have changed since the last call: resolves to its text, or to undefined when it surely has
 * not. Follows symlinks, so it sees a link that now leads elsewhere and a file that was replaced by a rename. Rejects as
 * node:fs does, and reads anew after that.
 */
export function changedText(path: string): () => Promise<string | undefined> {
  let known: string | undefined;
  return async () => {
    const before = known;
    known = undefined;
    // looked at before it is read: should it change in between, the next look differs
    const { dev, ino, size, mtimeMs } = await stat(path);
    const stamp = `${dev} ${ino} ${size} ${mtimeMs}`;
    const text = stamp === before ? undefined : await readFile(path, 'utf8');
    if (text === undefined || Date.now() - mtimeMs > SETTLED_MS) known = stamp;
    return text;
  };
}
