import { readdir, rm, stat, unlink } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { OutputFile } from '@comfy-fleet/comfyui';
import type { InstanceFolders } from '@comfy-fleet/config';
import { isId } from '@comfy-fleet/contracts';
import { inputDigest, isInputName } from '@comfy-fleet/frames';
import type { SharedInputs } from '@comfy-fleet/jobs';

/** Files that were not deleted at the end of their job (a crash, a cancel) are deleted at this age. */
const OLD_MS = 86_400_000;
/**
 * Unused inputs are deleted sooner: a job that moves leaves its files behind, and ComfyUI lists all of them for each node
 * that loads one.
 */
const OLD_INPUT_MS = 600_000;

/** Deletes the files that ComfyUI's history lists for a submission, if we can access ComfyUI's disk. */
export async function deleteOutputs(folders: InstanceFolders, files: readonly OutputFile[]): Promise<void> {
  for (const { type, subfolder, filename } of files) {
    const isOurs = type === 'temp' || (type === 'output' && (isOurOutput(filename) || isShownModel(filename)));
    const folder = type === 'temp' ? folders.temp : folders.output;
    if (folder === undefined || !isOurs) continue;
    const path = resolve(folder, subfolder, filename);
    if (path.startsWith(folder + sep)) await rm(path, { force: true });
  }
}

/** Deletes all files that a submission saved, if we can access ComfyUI's disk. */
export async function deleteByPrefix({ output }: InstanceFolders, prefix: string): Promise<void> {
  if (output === undefined) return;
  for (const name of await readdir(output)) {
    if (name.startsWith(`${prefix}-`)) await rm(join(output, name), { force: true });
  }
}

/**
 * Deletes an ended job's input files from ComfyUI's disk, if we can access it, unless other jobs use them. `names` are
 * the names on the instance.
 */
export async function deleteInputs(
  { input }: InstanceFolders,
  names: readonly string[],
  deleteUnused: SharedInputs['deleteUnused'],
): Promise<void> {
  for (const name of new Set(names)) {
    // Without access to the disk, this only removes ended jobs from the users of the file.
    await deleteUnused(inputDigest(name), async () => {
      if (input !== undefined) await rm(join(input, name), { force: true });
    });
  }
}

/**
 * Deletes files of jobs in ComfyUI's folders that are older than a day, and inputs of no open job that are older than ten
 * minutes. Answers how many.
 */
export async function deleteOldFiles(
  folders: InstanceFolders,
  deleteUnused: SharedInputs['deleteUnused'],
): Promise<number> {
  const outputs = await deleteOld(folders.output, OLD_MS, isOurOutput, (_name, remove) => remove());
  const previews = await deleteOld(folders.temp, OLD_MS, isPreview, (_name, remove) => remove());
  const inputs = await deleteOld(folders.input, OLD_INPUT_MS, isInputName, async (name, remove) => {
    await deleteUnused(inputDigest(name), remove);
  });
  return outputs + previews + inputs;
}

/**
 * Nodes write `<prefix>_<number>_.png`, `<prefix>_<number>-audio.mp4` and the like. Our prefix is a hash and a number;
 * in 0.1 it was the prompt id, a UUID. Files with other names may belong to somebody else.
 */
function isOurOutput(name: string): boolean {
  const prefix = /^([^_]+)_\d[^/]*\.\w+$/.exec(name)?.[1];
  return prefix !== undefined && (/^[0-9a-f]{64}-\d+$/.test(prefix) || isId(prefix));
}

/**
 * Nodes that show a 3D model choose a random name for it. Old ones may come from somebody who used ComfyUI's own page.
 */
function isShownModel(name: string): boolean {
  return /^preview3d_[0-9a-f]{32}\.\w+$/.test(name);
}

/** Previews in the temporary folder, each with five random letters. */
function isPreview(name: string): boolean {
  return /_temp_[a-z]{5}_\d+_?\.\w+$/.test(name);
}

/** Calls `remove` unless the file is in use. */
type UnlessUsed = (name: string, remove: () => Promise<void>) => Promise<void>;

async function deleteOld(
  folder: string | undefined,
  ageMs: number,
  isOurs: (name: string) => boolean,
  unlessUsed: UnlessUsed,
): Promise<number> {
  if (folder === undefined) return 0;
  let deleted = 0;
  for (const name of await readdir(folder)) {
    if (!isOurs(name)) continue;
    if (await deleteIfOld(join(folder, name), ageMs, (remove) => unlessUsed(name, remove))) deleted += 1;
  }
  return deleted;
}

/** Instances may share a folder, so another one may delete a file at the same time. */
async function deleteIfOld(
  path: string,
  ageMs: number,
  unlessUsed: (remove: () => Promise<void>) => Promise<void>,
): Promise<boolean> {
  let isDeleted = false;
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs < ageMs) return false;
    await unlessUsed(async () => {
      await unlink(path);
      isDeleted = true;
    });
    return isDeleted;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
