import { mkdirSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import type { Folders } from './nodes/node.js';
import type { Json } from './python.js';

export type FolderType = 'input' | 'output' | 'temp';

export function foldersIn(dir: string): Folders {
  const root = resolve(dir);
  return { root, input: join(root, 'input'), output: join(root, 'output'), temp: join(root, 'temp') };
}

export function folderOf(folders: Folders, type: string): string | undefined {
  return type === 'input' || type === 'output' || type === 'temp' ? folders[type] : undefined;
}

/** Splits a name such as `a.png [output]` into the file name and the type of folder. */
export function splitTypeMark(name: string): { readonly name: string; readonly type: FolderType | undefined } {
  const match = /^(.*?) ?\[(input|output|temp)\]$/.exec(name);
  if (match === null) return { name, type: undefined };
  return { name: (match[1] ?? '').replace(/ $/, ''), type: match[2] as FolderType };
}

export function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

/** The path of a file that LoadImage reads; undefined if the name leads out of the folder. */
export function inputFile(folders: Folders, name: string): string | undefined {
  const { name: plain, type } = splitTypeMark(name);
  const folder = folders[type ?? 'input'];
  const path = resolve(folder, plain);
  return path !== folder && isInside(folder, path) ? path : undefined;
}

/**
 * Inputs that name a file of the input folder, and the word for such a file in errors. They are checked against the
 * disk, not against their list of choices.
 */
export const FILE_INPUTS: Readonly<Record<string, { readonly input: string; readonly called: string }>> = {
  LoadImage: { input: 'image', called: 'image' },
  LoadImageMask: { input: 'image', called: 'image' },
  LoadImageOutput: { input: 'image', called: 'image' },
  LoadAudio: { input: 'audio', called: 'audio' },
  LoadVideo: { input: 'file', called: 'video' },
  LoadLatent: { input: 'latent', called: 'latent' },
};

/** The path of the file that a node reads; undefined if it reads none, null if the name leads out of the folder. */
export function fileOf(
  classType: string,
  inputs: Readonly<Record<string, Json>>,
  folders: Folders,
): string | null | undefined {
  const name = inputs[FILE_INPUTS[classType]?.input ?? ''];
  return typeof name === 'string' ? (inputFile(folders, name) ?? null) : undefined;
}

/** Creates the simulator's folders. If that fails, it throws an Error that says what to mount or set. */
export function makeOwnFolders(dir: string): void {
  const { root, input, output } = foldersIn(dir);
  try {
    for (const folder of [input, output, join(root, 'models')]) mkdirSync(folder, { recursive: true });
  } catch (cause) {
    // The code alone would mislead: Node reports ENOENT for a read-only file system.
    const { code } = cause as NodeJS.ErrnoException;
    const problem = `cannot write to ${dir} (${code}), where it keeps its pictures`;
    const remedy = `Mount a volume there (docker run -v comfyui:${dir} …, or --tmpfs ${dir}:uid=1000), or set SIMULATOR_DIR to another folder.`;
    throw new Error(`${problem}. ${remedy}`, { cause });
  }
}

/** The URL of a file in `data`, which the build copies beside the bundle. */
export function dataFile(name: string): URL {
  return new URL(`data/${name}`, import.meta.url);
}
