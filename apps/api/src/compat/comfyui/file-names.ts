import { refused } from './refusal.js';

/** `x.png [output]`: a file of that folder of ComfyUI. */
const MARK = / \[(input|output|temp)\]$/;

/** A file's name and the folder of ComfyUI that it is said to be in. */
export interface ComfyuiName {
  /** With its subfolder. */
  readonly name: string;
  readonly folder: 'input' | 'output' | 'temp' | undefined;
}

export function splitName(text: string): ComfyuiName {
  const folder = MARK.exec(text)?.[1] as ComfyuiName['folder'];
  return { name: text.replace(MARK, ''), folder };
}

/** The name of a file with its subfolder. Throws a ComfyuiRefusal for a subfolder that leads elsewhere. */
export function inSubfolder(subfolder: string, name: string): string {
  const parts = subfolder.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  if (/^[\\/]/.test(subfolder) || parts.includes('..')) {
    throw refused('invalid_request', 'subfolder must be a path below the folder of uploads');
  }
  return [...parts, name].join('/');
}
