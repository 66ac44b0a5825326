import { inputFile } from './folders.js';
import type { Json } from './json/values.js';
import type { Folders } from './nodes/node.js';

/**
 * Inputs that name a file of the input folder, and what the server calls it. They are looked up on the disk, not in
 * their list of choices.
 */
export const FILE_INPUTS: Readonly<Record<string, { readonly input: string; readonly called: string }>> = {
  LoadImage: { input: 'image', called: 'image' },
  LoadImageMask: { input: 'image', called: 'image' },
  LoadImageOutput: { input: 'image', called: 'image' },
  LoadAudio: { input: 'audio', called: 'audio' },
  LoadVideo: { input: 'file', called: 'video' },
  LoadLatent: { input: 'latent', called: 'latent' },
};

/** The file that a node reads; undefined where it reads none, null where its name leads out of the folder. */
export function fileOf(
  classType: string,
  inputs: Readonly<Record<string, Json>>,
  folders: Folders,
): string | null | undefined {
  const name = inputs[FILE_INPUTS[classType]?.input ?? ''];
  return typeof name === 'string' ? (inputFile(folders, name) ?? null) : undefined;
}
