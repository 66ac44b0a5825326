import { join, resolve, sep } from 'node:path';
import type { Folders } from './nodes/node.js';

export type FolderType = 'input' | 'output' | 'temp';

export function foldersIn(dir: string): Folders {
  const root = resolve(dir);
  return { root, input: join(root, 'input'), output: join(root, 'output'), temp: join(root, 'temp') };
}

export function folderOf(folders: Folders, type: string): string | undefined {
  return type === 'input' || type === 'output' || type === 'temp' ? folders[type] : undefined;
}

/** A name may end in ` [output]` and the like: the name without it, and the folder it asks for. */
export function splitTypeMark(name: string): { readonly name: string; readonly type: FolderType | undefined } {
  const match = /^(.*?) ?\[(input|output|temp)\]$/.exec(name);
  if (match === null) return { name, type: undefined };
  return { name: (match[1] ?? '').replace(/ $/, ''), type: match[2] as FolderType };
}

export function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

/** The file that LoadImage means; undefined if the name leads out of the folder, which no recording allows. */
export function inputFile(folders: Folders, name: string): string | undefined {
  const { name: plain, type } = splitTypeMark(name);
  const folder = folders[type ?? 'input'];
  const path = resolve(folder, plain);
  return path !== folder && isInside(folder, path) ? path : undefined;
}
