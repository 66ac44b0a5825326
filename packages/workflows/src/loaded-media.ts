import type { Slot } from './graph.js';
import type { Size } from './sizes.js';

/** The longest video whose frames are counted, which takes about a second. */
export const MAX_FRAMES = 10_000;

/** The content of a file when a node decodes it; infinite if it cannot be measured. */
export interface LoadedMedia {
  /** `longest` is the longer side, set if ComfyUI versions differ in whether they rotate it. */
  readonly picture?: Size & { readonly frames: number; readonly longest?: number };
  readonly sound?: Sound;
}

export interface Sound {
  readonly seconds: number;
  readonly rate: number;
  readonly channels: number;
}

/**
 * The largest possible content of a file that is read as a latent. The smallest numbers have one byte. A latent of
 * pictures has at most 16 pixels per number, one of a sound at least 1378 numbers per second. The pictures are as small
 * as possible, because a node that scales them may then get many.
 */
export function latentOfBytes(bytes: number): LoadedMedia {
  return {
    picture: { width: 64, height: 64, frames: Math.max(1, bytes / 256) },
    sound: { seconds: Math.ceil(bytes / 1378), rate: 48_000, channels: 2 },
  };
}

/** The file that a node loads; undefined if there is none or nothing is known about it. */
export type LoadedFile = (slot: Slot) => LoadedMedia | undefined;
