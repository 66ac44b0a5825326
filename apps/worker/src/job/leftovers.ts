import { readdir, rm, stat, unlink } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { OutputFile } from '@comfy-fleet/comfyui';
import { isId } from '@comfy-fleet/contracts';
import { inputDigest, isInputName } from '@comfy-fleet/frames';
import type { SharedInputs } from '@comfy-fleet/jobs';
import type { InstanceFolders } from '../instance/instance.js';

/** What is not deleted at its job's end (a crash, a cancel) goes after this long. */
const OLD_MS = 86_400_000;

/** Deletes a job's files from ComfyUI's own disk, where we see it. Of temporary files ComfyUI takes care itself. */
export async function deleteOutputs({ output }: InstanceFolders, files: readonly OutputFile[]): Promise<void> {
  if (output === undefined) return;
  for (const { type, subfolder, filename } of files) {
    const path = resolve(output, subfolder, filename);
    const isOurs = type === 'output' && isOurOutput(filename) && path.startsWith(output + sep);
    if (isOurs) await rm(path, { force: true });
  }
}

/** Deletes the files that an ended job started from on ComfyUI's own disk, where we see it, unless other jobs use them. */
export async function deleteInputs(
  { input }: InstanceFolders,
  names: readonly string[],
  deleteUnused: SharedInputs['deleteUnused'],
): Promise<void> {
  if (input === undefined) return;
  for (const name of new Set(names)) {
    await deleteUnused(inputDigest(name), () => rm(join(input, name), { force: true }));
  }
}

/** Deletes what jobs left in ComfyUI's folders a day ago and more; inputs that open jobs use stay. Answers how many. */
export async function deleteOldFiles(
  folders: InstanceFolders,
  deleteUnused: SharedInputs['deleteUnused'],
): Promise<number> {
  const outputs = await deleteOld(folders.output, isOurOutput, (_name, remove) => remove());
  const inputs = await deleteOld(folders.input, isInputName, async (name, remove) => {
    await deleteUnused(inputDigest(name), remove);
  });
  return outputs + inputs;
}

/**
 * Nodes write `<prefix>_<number>_.png`, `<prefix>_<number>-audio.mp4` and the like, and our prefix is the prompt id. What has
 * another name may be somebody's own, and was only shown.
 */
function isOurOutput(name: string): boolean {
  const prefix = /^(.{36})_\d+[^/]*\.\w+$/.exec(name)?.[1];
  return prefix !== undefined && isId(prefix);
}

/** Calls the second argument, unless that file is to stay. */
type UnlessUsed = (name: string, remove: () => Promise<void>) => Promise<void>;

async function deleteOld(
  folder: string | undefined,
  isOurs: (name: string) => boolean,
  unlessUsed: UnlessUsed,
): Promise<number> {
  if (folder === undefined) return 0;
  let deleted = 0;
  for (const name of await readdir(folder)) {
    if (!isOurs(name)) continue;
    if (await deleteIfOld(folder, name, unlessUsed)) deleted += 1;
  }
  return deleted;
}

/** Instances may share a folder: what another one deleted meanwhile is no reason to leave the rest. */
async function deleteIfOld(folder: string, name: string, unlessUsed: UnlessUsed): Promise<boolean> {
  const path = join(folder, name);
  let isDeleted = false;
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs < OLD_MS) return false;
    await unlessUsed(name, async () => {
      await unlink(path);
      isDeleted = true;
    });
    return isDeleted;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
