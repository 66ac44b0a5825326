import { refused } from './refusal.js';

/** The name of a file with its subfolder. Throws a ComfyuiRefusal for a subfolder that leads elsewhere. */
export function inSubfolder(subfolder: string, name: string): string {
  const parts = subfolder.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  if (/^[\\/]/.test(subfolder) || parts.includes('..')) {
    throw refused('invalid_request', 'subfolder must be a path below the folder of uploads');
  }
  return [...parts, name].join('/');
}
