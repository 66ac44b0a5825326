import type { Slot } from './graph.js';
import type { Size } from './sizes.js';

/** The longest video whose frames are counted, which takes about a second. */
export const MAX_FRAMES = 10_000;

/** What a file becomes when a node decodes it; infinite where it cannot be measured. */
export interface LoadedMedia {
  /** `longest`: set if ComfyUIs differ in whether they turn it, the longer side. */
  readonly picture?: Size & { readonly frames: number; readonly longest?: number };
  readonly sound?: Sound;
}

export interface Sound {
  readonly seconds: number;
  readonly rate: number;
  readonly channels: number;
}

/**
 * What a file can be at most as a latent. The smallest type of numbers has one byte each. A latent of pictures has at most
 * 16 pixels for each number, and one of a sound at least 1378 numbers for each second. The pictures are as small as
 * possible, since a node that scales them can get as many.
 */
export function latentOfBytes(bytes: number): LoadedMedia {
  return {
    picture: { width: 64, height: 64, frames: Math.max(1, bytes / 256) },
    sound: { seconds: Math.ceil(bytes / 1378), rate: 48_000, channels: 2 },
  };
}

/** The file that a node loads; undefined: there is none, or nothing is known about it. */
export type LoadedFile = (slot: Slot) => LoadedMedia | undefined;
