import { mkdirSync } from 'node:fs';
import { foldersIn } from './folders.js';

/** Makes the simulator's folders. Throws an Error that says what to mount or to set when nothing can be written there. */
export function makeOwnFolders(dir: string): void {
  const { input, output } = foldersIn(dir);
  try {
    for (const folder of [input, output]) mkdirSync(folder, { recursive: true });
  } catch (cause) {
    // The code says little: Node reports ENOENT for a read-only file system.
    const { code } = cause as NodeJS.ErrnoException;
    const what = `nothing can be written in ${dir} (${code}), where it keeps its pictures`;
    const remedy = `Mount a volume there (docker run -v comfyui:${dir} …, or --tmpfs ${dir}:uid=1000), or set SIMULATOR_DIR to another folder.`;
    throw new Error(`${what}. ${remedy}`, { cause });
  }
}
