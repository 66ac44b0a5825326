import type { Slot } from './graph.js';
import type { Size } from './sizes.js';

/** The longest video whose frames are counted, which takes about a second. */
export const MAX_FRAMES = 10_000;

/** What a file becomes when a node decodes it; infinite where it cannot be measured. */
export interface LoadedMedia {
  readonly picture?: Size & { readonly frames: number };
  readonly sound?: Sound;
}

export interface Sound {
  readonly seconds: number;
  readonly rate: number;
  readonly channels: number;
}

/** The file that a node loads; undefined: there is none, or nothing is known about it. */
export type LoadedFile = (slot: Slot) => LoadedMedia | undefined;
