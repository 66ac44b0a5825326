import { readdir, rm, stat, unlink } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { OutputFile } from '@comfy-fleet/comfyui';
import { isId } from '@comfy-fleet/contracts';
import { isInputName } from '@comfy-fleet/frames';
import type { InstanceFolders } from './instance.js';

/** What is not deleted at its job's end (a crash, a cancel) goes after this long; so do inputs, which jobs share. */
const OLD_MS = 86_400_000;

/** Deletes a job's pictures from ComfyUI's own disk, where we see it. Of temporary files ComfyUI takes care itself. */
export async function deleteOutputs({ output }: InstanceFolders, files: readonly OutputFile[]): Promise<void> {
  if (output === undefined) return;
  for (const { type, subfolder, filename } of files) {
    const path = resolve(output, subfolder, filename);
    if (type === 'output' && path.startsWith(output + sep)) await rm(path, { force: true });
  }
}

/** Deletes what jobs left in ComfyUI's folders a day ago and more; inputs that are `inUse` stay. Answers how many. */
export async function deleteOldFiles(folders: InstanceFolders, inUse: ReadonlySet<string>): Promise<number> {
  const outputs = await deleteOld(folders.output, isOurOutput);
  return outputs + (await deleteOld(folders.input, (name) => isInputName(name) && !inUse.has(name)));
}

/** SaveImage writes `<prefix>_<number>_.png`, and our prefix is the prompt id. */
function isOurOutput(name: string): boolean {
  const prefix = /^(.{36})_\d+_\.\w+$/.exec(name)?.[1];
  return prefix !== undefined && isId(prefix);
}

async function deleteOld(folder: string | undefined, isOurs: (name: string) => boolean): Promise<number> {
  if (folder === undefined) return 0;
  let deleted = 0;
  for (const name of await readdir(folder)) {
    if (!isOurs(name)) continue;
    if (await deleteIfOld(join(folder, name))) deleted += 1;
  }
  return deleted;
}

/** Instances may share a folder: what another one deleted meanwhile is no reason to leave the rest. */
async function deleteIfOld(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs < OLD_MS) return false;
    await unlink(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
